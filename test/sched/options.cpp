// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/options.hpp>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("limits that leave nothing to serve with are not sound") {
    CHECK(small_options.sound());
    const auto with = [](auto change) {
        pd_options o = small_options;
        change(o);
        return o.sound();
    };
    CHECK_FALSE(with([](pd_options& o) { o.request_limit = 0; }));
    CHECK_FALSE(with([](pd_options& o) { o.queue_limit = 0; }));
    CHECK_FALSE(with([](pd_options& o) { o.instance_limit = 0; }));
    CHECK_FALSE(with([](pd_options& o) { o.attempts_max = 0; }));
    CHECK_FALSE(with([](pd_options& o) { o.heartbeat_timeout = {}; }));
    CHECK_FALSE(with([](pd_options& o) { o.deadline_max = {-1}; }));
    CHECK_FALSE(with([](pd_options& o) { o.retry_after = {-1}; }));
}
