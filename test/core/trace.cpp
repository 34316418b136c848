// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/trace.hpp>

#include <array>

#include <doctest/doctest.h>

using namespace ashlar;

namespace {
template <class... T>
trace_hash of(T... words) {
    trace_hash t;
    (t.add(words), ...);
    return t;
}
} // namespace

TEST_CASE("order, number and sign of words matter to a trace") {
    CHECK(of(1u, 2u) == of(1u, 2u));
    CHECK(of(1u, 2u) != of(2u, 1u));
    CHECK(of(0u) != of(0u, 0u));
    CHECK(of(-1) == of(~std::uint64_t{0}));
    CHECK(of(1u, 2u).count() == 2);
}

TEST_CASE("bytes count with their length and every one of them") {
    std::array<std::byte, 19> bytes{};
    const auto hash = [&](std::size_t n) {
        trace_hash t;
        t.add(std::span<const std::byte>(bytes.data(), n));
        return t.value();
    };
    const std::uint64_t before = hash(19);
    for (std::byte& b : bytes) {
        b = std::byte{1};
        CHECK(hash(19) != before);
        b = std::byte{0};
    }
    for (std::size_t n = 0; n < 19; ++n) CHECK(hash(n) != hash(n + 1));
}
