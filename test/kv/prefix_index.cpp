// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/prefix_index.hpp>

#include <array>
#include <list>
#include <map>
#include <vector>

using namespace ashlar;

TEST_CASE("the index finds what a map from whole prefixes finds, and evicts in the order of a plain list") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        random_stream random{.seed = seed};
        kv::prefix_index index({.pages = 32, .tokens_per_block = 2, .salt = {seed, 1}});
        std::map<std::vector<token_id>, std::uint32_t> model;
        std::list<std::uint32_t> idle; // oldest first
        std::vector<std::uint32_t> unused;
        for (std::uint32_t i = 0; i < 32; ++i) unused.push_back(i);
        for (int step = 0; step < 600; ++step) {
            std::vector<token_id> tokens(2 + 2 * random.below(4));
            for (auto& t : tokens) t = static_cast<token_id>(random.below(2));
            std::array<std::uint32_t, 8> found;
            digest128 key;
            const auto hits = index.longest_prefix(tokens, found, &key);
            std::uint32_t expected = 0;
            for (std::size_t end = 2; end < tokens.size(); end += 2, ++expected) {
                const auto at = model.find({tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end)});
                if (at == model.end()) break;
                REQUIRE((expected < hits && found[expected] == at->second));
            }
            REQUIRE(hits == expected);
            if (random.chance(0.6f) && !unused.empty()) { // the next block joins
                const std::vector<token_id> prefix(tokens.begin(), tokens.begin() + 2 * (hits + 1));
                key = index.extend(key, std::span(prefix).last(2));
                const bool known = model.count(prefix);
                REQUIRE(index.insert(key, unused.back()) == !known);
                if (!known) {
                    model[prefix] = unused.back();
                    index.set_idle(unused.back());
                    idle.push_back(unused.back());
                    unused.pop_back();
                }
            } else if (random.chance(0.5f) && hits) { // used and left again: the most recent now
                index.set_used(found[0]), index.set_idle(found[0]);
                idle.remove(found[0]), idle.push_back(found[0]);
            } else {
                const auto gone = index.evict();
                REQUIRE(gone == (idle.empty() ? kv::prefix_index::none : idle.front()));
                if (!idle.empty()) {
                    idle.pop_front();
                    for (auto at = model.begin(); at != model.end(); ++at) {
                        if (at->second == gone) {
                            model.erase(at);
                            break;
                        }
                    }
                    unused.push_back(gone);
                }
            }
            REQUIRE(index.size() == model.size());
            REQUIRE(index.idle() == idle.size());
        }
    }
}

TEST_CASE("another salt, another key") {
    const token_id block[] = {1, 2};
    const kv::prefix_index a({.pages = 1, .tokens_per_block = 2, .salt = {1, 1}});
    const kv::prefix_index b({.pages = 1, .tokens_per_block = 2, .salt = {1, 2}});
    CHECK_FALSE(a.extend({}, block) == b.extend({}, block));
    CHECK_FALSE(a.extend({}, block) == a.extend({0, 1}, block));
}
