// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/backlog.hpp>

#include <doctest/doctest.h>

using namespace ashlar;

namespace {
constexpr std::int64_t s = 1'000'000'000;
}

TEST_CASE(
    "a peer with something pending stalls when nothing ends for the limit, each end counts anew, an idle one never") {
    ofi::backlog b;
    CHECK_FALSE(b.stalled(100 * s, 2 * s));
    b.posted(100 * s);
    b.posted(101 * s);
    CHECK_FALSE(b.stalled(102 * s - 1, 2 * s));
    CHECK(b.stalled(102 * s, 2 * s));
    b.finished(102 * s);
    CHECK_FALSE(b.stalled(103 * s, 2 * s));
    CHECK(b.stalled(104 * s, 2 * s));
    b.finished(104 * s);
    CHECK_FALSE(b.stalled(200 * s, 2 * s));
}

TEST_CASE("a peer that refuses everything stalls, one that is left alone meanwhile does not") {
    ofi::backlog b;
    CHECK_FALSE(b.refused(100 * s, 2 * s));
    for (std::int64_t t = 100 * s; t < 102 * s; t += s / 4) CHECK_FALSE(b.refused(t, 2 * s));
    CHECK(b.refused(102 * s, 2 * s));
    ofi::backlog c;
    CHECK_FALSE(c.refused(100 * s, 2 * s));
    CHECK_FALSE(c.refused(103 * s, 2 * s)); // after a pause
    c.posted(103 * s + 1);
    CHECK_FALSE(c.stalled(104 * s, 2 * s));
}
