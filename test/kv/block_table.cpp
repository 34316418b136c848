// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/block_table.hpp>

#include <array>

using namespace ashlar;

TEST_CASE("neighbouring pages become one run, and a full table says so") {
    std::array<block_run, 2> storage;
    kv::block_table table(storage);
    CHECK(table.push({7, 3}));
    CHECK(table.push({10, 1}));
    CHECK(table.push({2, 2}));
    CHECK_FALSE(table.push({9, 1}));
    CHECK(table.push({4, 1})); // extends the last run
    REQUIRE(table.runs().size() == 2);
    CHECK(table.runs()[0] == block_run{7, 4});
    CHECK(table.runs()[1] == block_run{2, 3});
    CHECK(table.blocks() == 7);
    table.truncate(4);
    CHECK(table.runs().size() == 1);
    table.truncate(1);
    CHECK(table.runs()[0] == block_run{7, 1});
}

TEST_CASE("a cursor visits each logical block's page in order") {
    const std::array<block_run, 3> runs{{{7, 3}, {1, 1}, {20, 2}}};
    const std::uint32_t pages[] = {7, 8, 9, 1, 20, 21};
    for (std::uint32_t start = 0; start < 6; ++start) {
        kv::run_cursor at(runs, start);
        for (std::uint32_t i = start; i < 6; ++i, at.advance(1)) CHECK(at.page() == pages[i]);
        CHECK(at.left() == 0);
    }
    CHECK(kv::run_cursor(runs, 1).left() == 2);
    CHECK(kv::count_blocks(runs) == 6);
}
