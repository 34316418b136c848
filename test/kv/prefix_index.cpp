// SPDX-License-Identifier: Apache-2.0
#include "index_history.hpp"

#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/cost_aware.hpp>
#include <ashlar/kv/prefix_index.hpp>
#include <ashlar/kv/radix_index.hpp>
#include <ashlar/kv/s3_fifo.hpp>
#include <ashlar/kv/slru.hpp>

using namespace ashlar;

namespace {
template <class Policy>
using both = index_history<kv::chain_index<Policy>, kv::radix_index<Policy>>;

template <class Policy>
void live(std::uint64_t seed, std::uint32_t pages, int steps) {
    static_assert(kv::prefix_index<kv::chain_index<Policy>> && kv::prefix_index<kv::radix_index<Policy>>);
    random_stream random{.seed = seed};
    const auto size = static_cast<std::uint32_t>(1 + random.below(3));
    const std::uint64_t words = 1 + random.below(3); // 1: one path; more: branches
    both<Policy> history(pages, size, seed);
    std::vector<std::vector<std::uint32_t>> open;
    std::vector<std::uint32_t> leased;
    const auto take = [&](auto& from) {
        const auto at = from.begin() + static_cast<std::ptrdiff_t>(random.below(from.size()));
        auto item = std::move(*at);
        from.erase(at);
        return item;
    };
    for (int step = 0; step < steps; ++step) {
        switch (random.below(8)) {
        case 0:
            history.evict();
            break;
        case 1:
            if (!open.empty() && !open.back().empty()) {
                leased.push_back(open.back()[random.below(open.back().size())]);
                history.use(leased.back());
            }
            break;
        case 2:
            if (!leased.empty()) history.leave(take(leased));
            break;
        case 3:
        case 4:
            if (!open.empty()) history.close(take(open));
            break;
        default: {
            std::vector<token_id> tokens(random.below(std::uint64_t{4} * pages / 3 * size + 2));
            for (auto& t : tokens) t = static_cast<token_id>(random.below(words));
            open.push_back(history.open(tokens));
            if (random.chance(0.5f)) history.close(take(open));
        }
        }
    }
}

template <class Policy>
void live_all() {
    for (std::uint64_t seed = 0; seed < 1000; ++seed) live<Policy>(seed, 1 + seed % 13, 60);
    for (std::uint64_t seed = 0; seed < 4; ++seed) live<Policy>(seed, 50 + 40 * static_cast<std::uint32_t>(seed), 60);
}

// Every history of `length` operations over two pages: prompts of up to two blocks over two tokens, opened and closed
// at once or kept open; the oldest open one closed; an eviction.
template <class Policy>
void every_history(std::uint32_t pages, int length) {
    const std::vector<std::vector<token_id>> prompts = {{0, 9}, {1, 9}, {0, 0, 9}, {0, 1, 9}, {1, 0}};
    const auto operations = static_cast<std::uint32_t>(2 * prompts.size() + 2);
    std::uint64_t histories = 1;
    for (int i = 0; i < length; ++i) histories *= operations;
    for (std::uint64_t number = 0; number < histories; ++number) {
        both<Policy> history(pages, 1, 1);
        std::vector<std::vector<std::uint32_t>> open;
        for (std::uint64_t left = number, i = 0; i < static_cast<std::uint64_t>(length); ++i, left /= operations) {
            const std::uint64_t what = left % operations;
            if (what == 0) {
                history.evict();
            } else if (what == 1) {
                if (open.empty()) break; // another number's history
                history.close(open.front()), open.erase(open.begin());
            } else {
                open.push_back(history.open(prompts[(what - 2) / 2]));
                if (what % 2) history.close(open.back()), open.pop_back();
            }
        }
    }
}
} // namespace

TEST_CASE("hash chain and radix tree answer alike, and as a plain map, on random histories: lru") {
    live_all<kv::lru>();
}
TEST_CASE("hash chain and radix tree answer alike on random histories: slru") { live_all<kv::slru>(); }
TEST_CASE("hash chain and radix tree answer alike on random histories: s3_fifo") { live_all<kv::s3_fifo>(); }
TEST_CASE("hash chain and radix tree answer alike on random histories: cost_aware") { live_all<kv::cost_aware>(); }

TEST_CASE("hash chain and radix tree answer alike on every short history of a pool of one to three pages") {
    for (std::uint32_t pages = 1; pages <= 3; ++pages) {
        every_history<kv::lru>(pages, 4);
        every_history<kv::s3_fifo>(pages, 3);
        every_history<kv::slru>(pages, 3);
        every_history<kv::cost_aware>(pages, 3);
    }
}
