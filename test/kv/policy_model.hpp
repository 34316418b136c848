// SPDX-License-Identifier: Apache-2.0
// A random life of pages under a policy and under a plain model of it: both must give up the same ones. Pages are
// inserted, used, pinned (what an index does to those that are held or continued) and evicted; blocks come back under
// another page, so that a policy that remembers can.
#pragma once

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/eviction.hpp>

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <vector>

struct policy_history {
    ashlar::random_stream random;
    std::uint32_t pages;
    int steps = 400;

    template <class Policy, class Model>
    void run(Policy policy, Model model) {
        std::set<std::uint32_t> in, pinned;
        std::vector<std::uint32_t> unused;
        for (std::uint32_t page = 0; page < pages; ++page) unused.push_back(page);
        std::set<std::uint64_t> alive;
        std::map<std::uint32_t, std::uint64_t> identity_of;
        const auto may = [&](std::uint32_t page) { return pinned.count(page) == 0; };
        const auto any = [&](const std::set<std::uint32_t>& of) {
            return *std::next(of.begin(), static_cast<std::ptrdiff_t>(random.below(of.size())));
        };
        for (int step = 0; step < steps; ++step) {
            const std::uint64_t what = random.below(6);
            if (what <= 1 && !unused.empty()) {
                const std::uint32_t page = unused.back();
                const std::uint64_t identity = random.below(3 * pages + 1);
                if (!alive.insert(identity).second) continue;
                unused.pop_back();
                const auto depth = static_cast<std::uint32_t>(random.below(5000));
                identity_of[page] = identity;
                policy.insert(page, identity, depth), model.insert(page, identity, depth);
                in.insert(page);
            } else if (what == 2 && !in.empty()) {
                const std::uint32_t page = any(in);
                if (pinned.count(page) == 0) policy.use(page), model.use(page);
            } else if (what == 3 && !in.empty()) {
                pinned.insert(any(in));
            } else if (what == 4 && !pinned.empty()) { // let go by its holder, or by its last child
                const std::uint32_t page = any(pinned);
                pinned.erase(page);
                if (random.chance(0.5f))
                    policy.use(page), model.use(page);
                else
                    policy.restore(page), model.restore(page);
            } else {
                const std::uint32_t page = policy.evict(may);
                REQUIRE(page == model.evict(may));
                REQUIRE((page == ashlar::kv::no_page) == (in.size() == pinned.size()));
                if (page == ashlar::kv::no_page) continue;
                REQUIRE(may(page));
                in.erase(page);
                alive.erase(identity_of[page]);
                unused.push_back(page);
            }
        }
    }
};
