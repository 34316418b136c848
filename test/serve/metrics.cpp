// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <doctest/doctest.h>

#include "metrics.hpp"

TEST_CASE("the metrics tell whether prefixes are cached") {
    CHECK(serve::metrics("stone", 16, 4096, true).text().find("enable_prefix_caching=\"True\"") != std::string::npos);
    CHECK(serve::metrics("stone", 16, 4096, false).text().find("enable_prefix_caching=\"False\"") != std::string::npos);
}
