// SPDX-License-Identifier: Apache-2.0
#include "index_collisions.hpp"

#include <ashlar/kv/radix_index.hpp>

using namespace ashlar;

TEST_CASE("blocks whose hashes share 32 bits are told apart by their tokens: radix tree") {
    const key128 salt{3, 5};
    blocks_that_collide<kv::radix_index<kv::lru>>(
        salt, [&](const token_id* block) { return kv::block_key(salt, {kv::no_page, 0}, block, 1).lo; });
}

TEST_CASE("a block whose first continuation is gone finds the others, and takes a new first one") {
    kv::radix_index<kv::lru> index({.pages = 8, .tokens_per_block = 1, .salt = {1, 2}});
    const auto find = [&](token_id t) {
        std::uint32_t found[1];
        const token_id prompt[] = {t, 0};
        return index.match(prompt, found) ? found[0] : kv::no_page;
    };
    const auto add = [&](token_id t, std::uint32_t page) { return index.insert(kv::no_page, {&t, 1}, page); };
    for (std::uint32_t i = 0; i < 3; ++i) REQUIRE(add(static_cast<token_id>(i), i) == i);
    for (std::uint32_t i = 0; i < 3; ++i) index.release(i);
    REQUIRE(index.evict() == 0); // the first
    CHECK(find(0) == kv::no_page);
    CHECK(find(1) == 1);
    CHECK(find(2) == 2);
    CHECK(add(1, 5) == 1); // known, though the first place is vacant
    CHECK(add(9, 6) == 6); // which this one takes
    CHECK(find(9) == 6);
    REQUIRE(index.evict() == 1);
    REQUIRE(index.evict() == 2);
    CHECK(find(1) == kv::no_page);
    CHECK(find(9) == 6);
}
