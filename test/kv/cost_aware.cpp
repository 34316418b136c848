// SPDX-License-Identifier: Apache-2.0
#include "policy_model.hpp"

#include <ashlar/kv/cost_aware.hpp>

using namespace ashlar;

namespace {
struct cost_model { // of all that may go, the lowest priority; of equals, the one that got it first
    struct block {
        std::uint64_t priority, turn, cost, uses;
    };
    std::map<std::uint32_t, block> blocks;
    std::uint64_t clock = 0, turns = 0;
    void insert(std::uint32_t page, std::uint64_t, std::uint32_t depth) {
        blocks[page] = {0, 0, std::uint64_t{2048} + depth, 0};
        use(page);
    }
    void use(std::uint32_t page) {
        block& b = blocks[page];
        b.priority = clock + ++b.uses * b.cost;
        b.turn = ++turns;
    }
    void restore(std::uint32_t) {}
    template <class May>
    std::uint32_t evict(May&& may) {
        std::uint32_t best = kv::no_page;
        for (const auto& [page, b] : blocks) {
            const auto key = [](const block& x) { return std::pair(x.priority, x.turn); };
            if (may(page) && (best == kv::no_page || key(b) < key(blocks[best]))) best = page;
        }
        if (best == kv::no_page) return best;
        clock = std::max(clock, blocks[best].priority);
        blocks.erase(best);
        return best;
    }
};
} // namespace

TEST_CASE("cost_aware gives up the lowest priority of what may go") {
    static_assert(kv::eviction_policy<kv::cost_aware>);
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        policy_history history{.random = {.seed = seed}, .pages = static_cast<std::uint32_t>(1 + seed % 29)};
        history.run(kv::cost_aware(history.pages), cost_model{});
    }
}

TEST_CASE("what is dear and was used often ages all the same") {
    kv::cost_aware policy(2);
    const auto all = [](std::uint32_t) { return true; };
    policy.insert(0, 0, 2048);
    for (int i = 0; i < 9; ++i) policy.use(0); // 10 uses of 4,096: 20 newcomers of 2,048, one after the other
    std::uint32_t outlived = 0;
    for (;; ++outlived) {
        policy.insert(1, 0, 0);
        if (policy.evict(all) == 0) break;
    }
    CHECK(outlived == 19); // the 20th has the same priority, and came later
}
