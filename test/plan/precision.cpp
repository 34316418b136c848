// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/precision.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;

TEST_CASE("a stored element takes its bits and its share of a scale") {
    static_assert(stored::fp8.bytes() == 1 && stored::bf16.bytes() == 2 && stored::fp32.bytes() == 4);
    static_assert(stored::nvfp4.bytes() == 0.5625 && stored::mxfp4.bytes() == 0.53125 &&
                  stored::mxfp8.bytes() == 1.03125);
    CHECK(stored::fp8_block128.of(128) == units::byte(132)); // an index key of DeepSeek-V3.2
    CHECK(stored::nvfp4.of(1e15) == units::byte(0.5625e15));
}
