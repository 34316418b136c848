// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/version.hpp>

#include <doctest/doctest.h>

TEST_CASE("the version is one number that orders releases") {
    CHECK(ASHLAR_VERSION == ASHLAR_VERSION_MAJOR * 10000 + ASHLAR_VERSION_MINOR * 100 + ASHLAR_VERSION_PATCH);
    static_assert(ASHLAR_VERSION_MINOR < 100 && ASHLAR_VERSION_PATCH < 100, "two digits each");
}
