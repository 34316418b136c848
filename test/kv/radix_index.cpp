// SPDX-License-Identifier: Apache-2.0
#include "index_collisions.hpp"

#include <ashlar/kv/radix_index.hpp>

using namespace ashlar;

TEST_CASE("blocks whose hashes share 32 bits are told apart by their tokens: radix tree") {
    const key128 salt{3, 5};
    blocks_that_collide<kv::radix_index<kv::lru>>(
        salt, [&](const token_id* block) { return kv::block_key(salt, {kv::no_page, 0}, block, 1).lo; });
}

TEST_CASE("the same block after two prefixes whose hashes share 32 bits is told apart by what it continues") {
    constexpr std::uint32_t parents = 16384;
    const key128 salt{3, 5};
    std::vector<std::pair<std::uint32_t, std::uint32_t>> by_bits(parents); // and parent
    int pairs = 0;
    for (const token_id block : {69, 266, 280}) { // found by trying the first 400
        for (std::uint32_t p = 0; p < parents; ++p)
            by_bits[p] = {static_cast<std::uint32_t>(kv::block_key(salt, {p, 0}, &block, 1).lo), p};
        std::sort(by_bits.begin(), by_bits.end());
        for (std::uint32_t i = 1; i < parents; ++i) {
            if (by_bits[i].first != by_bits[i - 1].first) continue;
            ++pairs;
            kv::radix_index<kv::lru> index({.pages = parents + 4, .tokens_per_block = 1, .salt = salt});
            const auto put = [&](std::uint32_t parent, token_id t, std::uint32_t page) {
                return index.insert(parent, {&t, 1}, page);
            };
            for (std::uint32_t p = 0; p < parents; ++p) put(kv::no_page, -1 - static_cast<token_id>(p), p);
            const std::uint32_t here = by_bits[i].second, there = by_bits[i - 1].second;
            REQUIRE(put(here, 1000, parents) == parents);
            REQUIRE(put(here, block, parents + 1) == parents + 1); // a second one: in the table
            REQUIRE(put(there, 1000, parents + 2) == parents + 2);
            REQUIRE(put(there, 1001, parents + 3) == parents + 3);
            std::uint32_t found[2];
            const auto hits = [&](std::uint32_t parent) {
                const token_id prompt[] = {-1 - static_cast<token_id>(parent), block, 0};
                return index.match(prompt, found);
            };
            CHECK(hits(here) == 2);
            CHECK(found[1] == parents + 1);
            CHECK(hits(there) == 1);
        }
    }
    CHECK(pairs == 3);
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
