// SPDX-License-Identifier: Apache-2.0
#include "policy_model.hpp"

#include <ashlar/kv/s3_fifo.hpp>

#include <algorithm>
#include <deque>

using namespace ashlar;

namespace {
struct s3_fifo_model { // algorithm 1 of the paper over plain queues, the youngest in front
    std::size_t small_min, ghost_max;
    std::deque<std::uint32_t> small{}, main{};
    std::deque<std::uint64_t> ghosts{}; // a hole where one has returned: it still takes its place in the queue
    std::map<std::uint32_t, int> uses{};
    std::map<std::uint32_t, bool> of_main{};
    std::map<std::uint32_t, std::uint64_t> identities{};
    static constexpr std::uint64_t hole = UINT64_MAX;

    static bool in(const std::deque<std::uint32_t>& queue, std::uint32_t page) {
        return std::find(queue.begin(), queue.end(), page) != queue.end();
    }
    void insert(std::uint32_t page, std::uint64_t identity, std::uint32_t) {
        const auto known = std::find(ghosts.begin(), ghosts.end(), identity);
        of_main[page] = known != ghosts.end();
        if (of_main[page]) *known = hole;
        (of_main[page] ? main : small).push_front(page);
        uses[page] = 0;
        identities[page] = identity;
    }
    void use(std::uint32_t page) {
        uses[page] = std::min(3, uses[page] + 1);
        if (in(small, page) || in(main, page)) return;
        of_main[page] = true;
        main.push_front(page);
    }
    void restore(std::uint32_t page) {
        if (!in(small, page) && !in(main, page)) (of_main[page] ? main : small).push_back(page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        while (!small.empty() || !main.empty()) {
            const bool from_small = main.empty() || small.size() >= small_min;
            auto& from = from_small ? small : main;
            const std::uint32_t page = from.back();
            from.pop_back();
            if (!may(page)) continue;
            if (from_small && uses[page] > 1) {
                uses[page] = 0, of_main[page] = true, main.push_front(page);
            } else if (!from_small && uses[page] > 0) {
                --uses[page], main.push_front(page);
            } else {
                if (from_small) {
                    ghosts.push_front(identities[page]);
                    if (ghosts.size() > ghost_max) ghosts.pop_back();
                }
                return page;
            }
        }
        return kv::no_page;
    }
};
} // namespace

TEST_CASE("s3_fifo gives up what the paper's three queues give up") {
    static_assert(kv::remembering_policy<kv::s3_fifo>);
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        policy_history history{.random = {.seed = seed}, .pages = static_cast<std::uint32_t>(1 + seed % 37)};
        const std::size_t small = std::max<std::size_t>(1, history.pages / 10);
        history.run(kv::s3_fifo(history.pages),
                    s3_fifo_model{.small_min = small, .ghost_max = std::max<std::size_t>(1, history.pages - small)});
    }
}

TEST_CASE("a block that comes back from the ghosts outlives newcomers") {
    kv::s3_fifo policy(10);
    const auto all = [](std::uint32_t) { return true; };
    policy.insert(0, 100, 0);
    REQUIRE(policy.evict(all) == 0);
    policy.insert(0, 100, 0); // known: the main queue
    for (std::uint32_t i = 0; i < 100; ++i) {
        policy.insert(1 + i % 9, i, 0);
        if (i >= 8) REQUIRE(policy.evict(all) == 1 + (i - 8) % 9);
    }
}
