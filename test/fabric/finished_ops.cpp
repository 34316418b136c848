// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/finished_ops.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::fabric;

TEST_CASE("an op is pending until it is polled, in the order of posting, and the queue says when it is full") {
    finished_ops done(2);
    op first, second;
    completion c;
    CHECK_FALSE(done.report(c));
    CHECK(done.push(first));
    CHECK(done.push(second));
    CHECK(done.full());
    CHECK(first.status == op_status::pending);
    REQUIRE(done.report(c));
    CHECK(c.operation == &first);
    CHECK(first.status == op_status::done);
    CHECK(second.status == op_status::pending);
    REQUIRE(done.report(c));
    CHECK(c.operation == &second);
    CHECK(done.empty());
}

TEST_CASE("two sources take turns, one at a time even over polls of one, and the fuller one fills what is left") {
    int left[2] = {3, 6};
    std::vector<int> order;
    const auto source = [&](int i) {
        return [&left, &order, i](completion&) { return left[i] > 0 && (--left[i], order.push_back(i), true); };
    };
    bool turn = false;
    completion out[4];
    for (int i = 0; i < 3; ++i) CHECK(take_turns(std::span(out).first(1), 0, turn, source(0), source(1)) == 1);
    CHECK(take_turns(out, 1, turn, source(0), source(1)) == 4); // behind what is there
    CHECK(take_turns(out, 0, turn, source(0), source(1)) == 3);
    CHECK(order == std::vector<int>{0, 1, 0, 1, 0, 1, 1, 1, 1});
}
