// SPDX-License-Identifier: Apache-2.0
#include "policy_model.hpp"

#include <ashlar/kv/eviction.hpp>

#include <algorithm>

using namespace ashlar;

namespace {
struct lru_model { // a plain list, oldest first
    std::list<std::uint32_t> order{};
    void insert(std::uint32_t page, std::uint64_t, std::uint32_t) { order.push_back(page); }
    void use(std::uint32_t page) { order.remove(page), order.push_back(page); }
    void restore(std::uint32_t page) {
        if (std::find(order.begin(), order.end(), page) == order.end()) order.push_front(page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        while (!order.empty()) {
            const std::uint32_t page = order.front();
            order.pop_front();
            if (may(page)) return page;
        }
        return kv::no_page;
    }
};
} // namespace

TEST_CASE("lru gives up what was used the longest ago of what may go") {
    static_assert(kv::eviction_policy<kv::lru> && !kv::remembering_policy<kv::lru>);
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        policy_history history{.random = {.seed = seed}, .pages = static_cast<std::uint32_t>(1 + seed % 17)};
        history.run(kv::lru(history.pages), lru_model{});
    }
}

TEST_CASE("queues over one array of links stay apart") {
    kv::page_links links(4);
    kv::page_queue a, b;
    links.push_newest(a, 2), links.push_newest(b, 0), links.push_oldest(a, 3), links.push_newest(a, 1);
    CHECK(a.size == 3);
    links.erase(a, 2);
    CHECK_FALSE(links.linked(2));
    CHECK(links.pop(a) == 3);
    CHECK(links.pop(a) == 1);
    CHECK(links.pop(a) == kv::no_page);
    CHECK(links.pop(b) == 0);
    CHECK(b.size == 0);
}
