// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/config.hpp>

#include <doctest/doctest.h>

namespace {
ASHLAR_HD constexpr int twice(int x) { return 2 * x; }
} // namespace

TEST_CASE("a host compiler sees nothing in front of a host-device function") {
#define ASHLAR_TEST_TEXT(x) #x
#define ASHLAR_TEST_EXPANDED(x) ASHLAR_TEST_TEXT(x)
#if !defined(__CUDACC__)
    static_assert(sizeof(ASHLAR_TEST_EXPANDED(ASHLAR_HD)) == 1, "empty text");
#endif
    static_assert(twice(21) == 42);
}
