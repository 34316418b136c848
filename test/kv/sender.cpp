// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/sender.hpp>

#include <vector>

using namespace ashlar;

namespace {
kv::sender fresh() {
    kv::sender s(2, 4);
    const block_run here{0, 3};
    const kv::granted_run there{4, 2, 0}; // the receiver has the first block already
    REQUIRE(s.begin({.transfer = {1},
                     .slot = 5,
                     .layers = 2,
                     .page_bytes = 10,
                     .blocks = {1, 2},
                     .here = {10, 20},
                     .there = {10, 20}},
                    {&here, 1}, {&there, 1}, {}));
    return s;
}
} // namespace

TEST_CASE("nothing is written before go, nor before its layer is computed, nor what the receiver has") {
    auto s = fresh();
    kv::move_step m;
    REQUIRE(s.layer_ready({1}, {0, 2}));
    CHECK_FALSE(s.next_move(m));
    (void)s.on({.what = kv::verb::go});
    REQUIRE(s.next_move(m));
    CHECK(m.source == 1 * 20 + 10);
    CHECK(m.target == 4 * 20 + 10);
    CHECK(m.immediate == (5u << 12 | 1));
    s.posted(m);
    CHECK_FALSE(s.next_move(m));
}

TEST_CASE("a gap, a layer too many and a block too many are out of range") {
    auto s = fresh();
    CHECK(s.layer_ready({0}, {2, 1}).error().code == errc::out_of_range);
    CHECK(s.layer_ready({2}, {0, 1}).error().code == errc::out_of_range);
    CHECK(s.layer_ready({0}, {0, 4}).error().code == errc::out_of_range);
    CHECK(s.layer_ready({0}, {0, 1})); // cached over there: nothing to do
    CHECK(s.layer_ready({0}, {1, 2}));
}

TEST_CASE("after a failure it says fenced only when nothing is in flight, with the number of writes") {
    auto s = fresh();
    kv::control c;
    REQUIRE(s.next_message(c));
    CHECK(c.what == kv::verb::start);
    s.said(c, {});
    (void)s.on({.what = kv::verb::go});
    REQUIRE(s.layer_ready({0}, {0, 3}));
    kv::move_step first, second;
    REQUIRE(s.next_move(first));
    s.posted(first);
    REQUIRE(s.next_move(second));
    s.posted(second);
    CHECK(s.fail(errc::cancelled));
    CHECK_FALSE(s.fail(errc::expired));
    s.completed(first.batch, first.piece, true, true, 0);
    CHECK_FALSE(s.next_message(c));
    s.completed(second.batch, second.piece, true, false, 0);
    REQUIRE(s.next_message(c));
    CHECK(c.what == kv::verb::fenced);
    CHECK(c.total == 1);
    s.said(c, {});
    CHECK(s.is_over());
}

TEST_CASE("done before what was asked for again is written and said is corrupt, and ends only after the write has") {
    auto s = fresh();
    kv::control c;
    kv::move_step m;
    REQUIRE(s.next_message(c));
    s.said(c, {});
    (void)s.on({.what = kv::verb::go});
    for (std::uint32_t layer : {0u, 1u}) REQUIRE(s.layer_ready({layer}, {0, 3}));
    while (s.next_move(m)) {
        s.posted(m);
        s.completed(m.batch, m.piece, true, true, 0);
    }
    while (s.next_message(c)) s.said(c, {});
    REQUIRE(s.all_said());
    REQUIRE_FALSE(s.on({.what = kv::verb::again, .layer = 1, .first_block = 1, .blocks = 2}).failed);
    REQUIRE(s.next_move(m));
    s.posted(m);
    const auto o = s.on({.what = kv::verb::done});
    CHECK_FALSE(o.finished);
    CHECK(o.failed);
    CHECK(o.reason == errc::corrupt);
    CHECK(s.fail(o.reason));
    s.said({.what = kv::verb::fenced}, {});
    CHECK_FALSE(s.is_over()); // the source is still being read
    s.completed(m.batch, m.piece, true, true, 0);
    s.settle();
    CHECK(s.is_over());
}

TEST_CASE("a layer of more pieces than a message holds goes in batches, each page to its own place") {
    constexpr std::uint32_t blocks = kv::pieces_max + 9;
    kv::sender s(1, blocks);
    std::vector<kv::granted_run> there(blocks); // every second page, from the last on
    for (std::uint32_t b = 0; b < blocks; ++b) there[b] = {2 * (blocks - b), 1, 0};
    const block_run here{0, blocks};
    REQUIRE(s.begin({.transfer = {1},
                     .slot = 5,
                     .layers = 1,
                     .page_bytes = 10,
                     .blocks = {0, blocks},
                     .here = {10, 10},
                     .there = {10, 10}},
                    {&here, 1}, there, {}));
    (void)s.on({.what = kv::verb::go});
    REQUIRE(s.layer_ready({0}, {0, blocks}));
    std::uint32_t n = 0;
    for (kv::move_step m; s.next_move(m); ++n) {
        CHECK(m.source == n * 10);
        CHECK(m.target == 2 * (blocks - n) * 10);
        s.posted(m);
    }
    CHECK(n == blocks);
}
