// SPDX-License-Identifier: Apache-2.0
#include "policy_model.hpp"

#include <ashlar/kv/slru.hpp>

#include <algorithm>

using namespace ashlar;

namespace {
struct slru_model {
    std::size_t protected_max;
    std::list<std::uint32_t> probation{}, guarded{}; // oldest first
    bool has(std::uint32_t page) const {
        const auto in = [page](const auto& l) { return std::find(l.begin(), l.end(), page) != l.end(); };
        return in(probation) || in(guarded);
    }
    void insert(std::uint32_t page, std::uint64_t, std::uint32_t) { probation.push_back(page); }
    void use(std::uint32_t page) {
        probation.remove(page), guarded.remove(page);
        guarded.push_back(page);
        while (guarded.size() > protected_max) probation.push_back(guarded.front()), guarded.pop_front();
    }
    void restore(std::uint32_t page) {
        if (!has(page)) probation.push_front(page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        while (!probation.empty() || !guarded.empty()) {
            auto& from = probation.empty() ? guarded : probation;
            const std::uint32_t page = from.front();
            from.pop_front();
            if (may(page)) return page;
        }
        return kv::no_page;
    }
};
} // namespace

TEST_CASE("slru gives up what two plain lists give up") {
    static_assert(kv::eviction_policy<kv::slru>);
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        policy_history history{.random = {.seed = seed}, .pages = static_cast<std::uint32_t>(1 + seed % 23)};
        history.run(kv::slru(history.pages), slru_model{.protected_max = history.pages * 80 / 100});
    }
}

TEST_CASE("a block used twice outlives any number used once") {
    kv::slru policy(10);
    const auto all = [](std::uint32_t) { return true; };
    policy.insert(0, 0, 0), policy.use(0);
    for (std::uint32_t i = 0; i < 100; ++i) {
        policy.insert(1 + i % 9, 0, 0);
        if (i >= 8) REQUIRE(policy.evict(all) == 1 + (i - 8) % 9);
    }
}
