// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/units.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("durations are counted in nanoseconds, whatever they are written in") {
    static_assert(1_s == 1'000_ms && 1_ms == 1'000_us && 1_us == 1'000_ns);
    static_assert((250_ms).ns == 250'000'000);
    static_assert(3_ms + 2_ms == 5_ms && 3_ms - 5_ms == duration{-2'000'000});
    static_assert(3_ms * 4 == 12_ms && 12_ms / 5 == 2'400_us);
    static_assert(seconds(1'500_ms) == 1.5);
    CHECK(1_ms < 1_s);
}

TEST_CASE("an instant and a duration make an instant; two instants make a duration") {
    const instant start{1'000};
    CHECK(start + 5_ns == instant{1'005});
    CHECK((start + 5_ns) - start == 5_ns);
    CHECK(start < start + 1_ns);
}

TEST_CASE("a deadline far away stays far away") {
    static_assert(instant::never() + 1_s == instant::never());
    static_assert(instant{instant::never().ns - 5} + 1_s == instant::never());
    CHECK(instant{0} + 1_s < instant::never());
}
