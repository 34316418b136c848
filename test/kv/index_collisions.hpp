// SPDX-License-Identifier: Apache-2.0
// Blocks of one token at the start of a prompt whose hashes share their low 32 bits, found by trying.
#pragma once

#include <doctest/doctest.h>

#include <ashlar/kv/eviction.hpp>
#include <ashlar/kv/prefix_index.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

template <class Index, class Hash>
void blocks_that_collide(ashlar::key128 salt, Hash&& hash) {
    using ashlar::token_id;
    std::vector<std::pair<std::uint32_t, token_id>> by_bits;
    for (token_id t = 0; t < 300'000; ++t) by_bits.push_back({static_cast<std::uint32_t>(hash(&t)), t});
    std::sort(by_bits.begin(), by_bits.end());
    int pairs = 0;
    for (std::size_t i = 1; i < by_bits.size(); ++i) {
        if (by_bits[i].first != by_bits[i - 1].first) continue;
        ++pairs;
        Index index({.pages = 4, .tokens_per_block = 1, .salt = salt});
        const token_id blocks[] = {-1, by_bits[i].second, by_bits[i - 1].second}; // a first one that does not matter
        for (std::uint32_t page = 0; page < 3; ++page) {
            for (std::uint32_t other = 0; other < 3; ++other) {
                const token_id prompt[] = {blocks[other], 0};
                std::uint32_t found[1];
                REQUIRE(index.match(prompt, found) == (other < page));
                if (other < page) REQUIRE(found[0] == other);
            }
            REQUIRE(index.insert(ashlar::kv::no_page, {&blocks[page], 1}, page) == page);
        }
        for (std::uint32_t page = 0; page < 3; ++page) index.release(page);
        for (std::uint32_t page = 0; page < 3; ++page) {
            REQUIRE(index.evict() == page);
            const token_id prompt[] = {blocks[2], 0};
            std::uint32_t found[1];
            REQUIRE(index.match(prompt, found) == (page < 2));
        }
    }
    CHECK(pairs > 0); // 300,000 squared over 2^33 is 10 to expect
}
