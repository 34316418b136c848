// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/tenancy.hpp>

#include <doctest/doctest.h>

using namespace ashlar::sched;

TEST_CASE("tokens can be computed in order, again, and not past what is known") {
    tenancy t(role::unified, 40, 16);
    CHECK(t.admits(16, 24, 40));
    CHECK(t.admits(0, 40, 40)); // again: the same bits to the same pages
    CHECK_FALSE(t.admits(17, 1, 40));
    CHECK_FALSE(t.admits(16, 25, 40));
    CHECK_FALSE(t.admits(16, 0, 40));
    CHECK_FALSE(t.admits(16, UINT32_MAX, 40));
    t.computed_to(40);
    t.computed_to(20); // again
    CHECK(t.computed() == 40);
    CHECK(t.prefilled());
    CHECK(t.admits(40, 1, 41));
    (void)t.release();
    CHECK_FALSE(t.admits(40, 1, 41));
}

TEST_CASE("a release calls a transfer off, unless a computed prompt is on its way") {
    for (const auto as : {role::prefill, role::decode}) {
        for (const bool prefilled : {false, true}) {
            tenancy t(as, 32, 0);
            t.hands_over();
            if (prefilled) t.computed_to(32);
            CHECK(t.release() == !(as == role::prefill && prefilled));
            CHECK(t.over() == (as == role::decode)); // what it sends is still read
            CHECK(t.handed_over(false) == tenancy::word::nothing);
            CHECK(t.over());
        }
    }
    tenancy alone(role::unified, 32, 0);
    CHECK_FALSE(alone.release());
    CHECK(alone.over());
}

TEST_CASE("the side that receives tells of success, both tell of failure, while somebody waits for it") {
    tenancy to(role::decode, 32, 16), from(role::prefill, 32, 0);
    to.hands_over(), from.hands_over();
    CHECK(to.handed_over(true) == tenancy::word::received);
    CHECK(to.prefilled());
    CHECK(from.handed_over(true) == tenancy::word::nothing);
    CHECK_FALSE(to.over());
    CHECK_FALSE(to.release()); // nothing is left to call off
    tenancy broken(role::decode, 32, 16);
    broken.hands_over();
    CHECK(broken.handed_over(false) == tenancy::word::failed);
    CHECK(broken.computed() == 16);
}

TEST_CASE("without a scheduler every transfer is called off") {
    tenancy t(role::prefill, 32, 32);
    t.hands_over();
    CHECK(t.abandon());
    CHECK_FALSE(t.over());
    (void)t.handed_over(false);
    CHECK(t.over());
}
