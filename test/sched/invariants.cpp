// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/invariants.hpp>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("a sound scheduler breaks nothing; each account that is changed behind its back is named") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    (void)w.tell(reserved{{7}, 1, {2}, 0});
    (void)w.tell(reserved{{7}, 1, {1}, 0});
    CHECK(broken_invariant(w.policy) == "");
    auto& p = const_cast<instance&>(w.policy.engines()[w.policy.engines().find({1})]);
    auto& r = const_cast<request&>(w.policy.requests()[w.policy.requests().find({7})]);
    const auto broken = [&](auto& field, auto value) {
        const auto before = field;
        field = value;
        const auto what = broken_invariant(w.policy);
        field = before;
        return what;
    };
    CHECK(broken(p.blocks_used, 0u) == "an instance's blocks do not add up");
    CHECK(broken(p.sequences, 2u) == "an instance's sequences do not add up");
    CHECK(broken(p.pending_tokens, std::uint64_t{99}) == "an instance's pending tokens do not add up");
    CHECK(broken(r.now, phase::handing_over) == "a request and its batch disagree");
    CHECK(broken(r.generated, 5u) == "a finished request is still here");
    CHECK(broken(r.now, phase::none) == "the number of requests is wrong");
    CHECK(broken_invariant(w.policy) == "");
}
