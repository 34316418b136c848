// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/cache.hpp>
#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/cost_aware.hpp>
#include <ashlar/kv/s3_fifo.hpp>
#include <ashlar/kv/slru.hpp>

#include <map>
#include <set>
#include <vector>

#include "small_cache.hpp"

using namespace ashlar;
using namespace ashlar::literals;
using namespace ashlar::test;

TEST_CASE("a full hit leaves at least one token to compute, and hits share pages") {
    kv::cache pages(small);
    const auto prompt = tokens_of(16);
    REQUIRE(pages.open({1}, prompt, 0)->cached_tokens == 0);
    REQUIRE(pages.commit({1}, prompt));
    const auto second = pages.open({2}, prompt, 4);
    REQUIRE(second);
    CHECK(second->cached_tokens == 12);
    CHECK(kv::count_blocks(second->runs) == 5);
    CHECK(second->runs[0].first == pages.runs({1})[0].first);
    CHECK(pages.counts().owned == 4 + 2);
    CHECK(pages.check());
}

TEST_CASE("what cannot fit ever, and what cannot fit now, are told apart") {
    kv::cache pages(small);
    CHECK(pages.open({1}, {}, 3).error().code == errc::invalid_argument);
    CHECK(pages.open({1}, tokens_of(49), 0).error().code == errc::out_of_range);
    REQUIRE(pages.open({1}, tokens_of(40), 8));
    CHECK(pages.open({1}, tokens_of(4), 0).error().code == errc::invalid_argument);
    REQUIRE(pages.open({2}, tokens_of(40, 100), 4));
    CHECK(pages.open({3}, tokens_of(4), 1).error().code == errc::exhausted);
    REQUIRE(pages.close({2}));
    CHECK(pages.close({2}).error().code == errc::not_found);
    CHECK(pages.open({3}, tokens_of(4), 1));
    CHECK(pages.check());
}

TEST_CASE("room is made by giving up the least recently used tails, never a page in use") {
    kv::cache pages(small);
    const auto a = tokens_of(33), b = tokens_of(33, 500);
    for (auto [id, prompt] : {std::pair{request_id{1}, &a}, {request_id{2}, &b}}) {
        REQUIRE(pages.open(id, *prompt, 0));
        REQUIRE(pages.commit(id, *prompt));
        REQUIRE(pages.close(id));
    }
    CHECK(pages.counts().cached == 16);
    REQUIRE(pages.open({3}, tokens_of(40, 900), 4)); // 11 pages, 8 are free: the three oldest tails go
    CHECK(pages.counts().cached == 13);
    CHECK(pages.counters().evictions == 3);
    CHECK(pages.open({4}, a, 0)->cached_tokens == 20); // 5 of a's 8 blocks are left
    CHECK(pages.check());
}

TEST_CASE("a prefix of what a lease still keeps is not given up, and is once the lease has ended") {
    kv::cache pages(small);
    const auto prompt = tokens_of(17);
    REQUIRE(pages.open({1}, prompt, 0));
    REQUIRE(pages.commit({1}, prompt));
    const auto blocks = kv::count_blocks(pages.runs({1}));
    REQUIRE(blocks == 5);
    const auto tail = pages.grant({1}, {blocks - 2, 1}, kv::access::read, {100}); // the last full block
    REQUIRE(tail);
    REQUIRE(pages.close({1}));
    REQUIRE(pages.counts().cached == 3);
    REQUIRE(pages.open({2}, tokens_of(48, 1000), 0));
    CHECK(pages.open({3}, tokens_of(36, 2000), 0).error().code == errc::exhausted); // 9; 8 are free, 3 cached
    CHECK(pages.check());
    REQUIRE(pages.release(*tail));
    CHECK(pages.open({3}, tokens_of(48, 2000), 0)); // 12: those 8, and 4 cached
    CHECK(pages.check());
}

TEST_CASE("a block that two requests computed is indexed once, and what follows it stays reachable") {
    kv::cache pages(small);
    auto a = tokens_of(9), b = tokens_of(13);
    REQUIRE(pages.open({1}, a, 0));
    REQUIRE(pages.open({2}, b, 0));
    REQUIRE(pages.commit({1}, a));
    REQUIRE(pages.commit({2}, b));
    REQUIRE(pages.close({1}));
    CHECK(pages.counts().cached == 0); // request 2 still stands on them
    REQUIRE(pages.close({2}));
    CHECK(pages.counts().cached == 3);
    CHECK(pages.open({3}, b, 0)->cached_tokens == 12);
    CHECK(pages.check());
}

TEST_CASE_TEMPLATE("random histories: no page has two owners, and every page comes back", Cache, kv::cache,
                   kv::basic_cache<kv::radix_index<kv::s3_fifo>>, kv::basic_cache<kv::chain_index<kv::slru>>,
                   kv::basic_cache<kv::chain_index<kv::cost_aware>>) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        CAPTURE(seed);
        random_stream random{.seed = seed};
        Cache pages(small);
        std::map<std::uint64_t, std::vector<token_id>> open;
        std::vector<kv::lease_id> leases;
        for (std::uint64_t step = 1; step < 400; ++step) {
            const auto some = [&] {
                return std::next(open.begin(), static_cast<std::ptrdiff_t>(random.below(open.size())))->first;
            };
            switch (random.below(6)) {
            case 0:
            case 1: {
                auto prompt = tokens_of(1 + random.below(30));
                if (random.chance(0.5f))
                    prompt[random.below(prompt.size())] = static_cast<token_id>(random.below(3) * 1000);
                if (const auto o = pages.open({step}, prompt, static_cast<std::uint32_t>(random.below(10)))) {
                    CHECK(o->cached_tokens < prompt.size());
                    open[step] = prompt;
                }
                break;
            }
            case 2:
                if (!open.empty()) {
                    const auto r = some();
                    (void)pages.commit({r}, open[r]);
                }
                break;
            case 3:
                if (!open.empty()) {
                    const auto r = some();
                    REQUIRE(pages.close({r}));
                    open.erase(r);
                }
                break;
            case 4:
                if (!open.empty()) {
                    const auto r = some();
                    const auto blocks = kv::count_blocks(pages.runs({r}));
                    const auto first = static_cast<std::uint32_t>(random.below(blocks));
                    if (auto l = pages.grant({r}, {first, blocks - first}, kv::access(random.below(2)),
                                             {static_cast<std::int64_t>(step + 20)}))
                        leases.push_back(*l);
                }
                break;
            case 5:
                pages.expire({static_cast<std::int64_t>(step)}, [](kv::lease_id) {});
                if (!leases.empty()) {
                    if (!pages.release(leases.back())) REQUIRE(pages.fence(leases.back()));
                    leases.pop_back();
                }
                break;
            }
            REQUIRE(pages.check());
        }
        for (auto l : leases)
            if (!pages.release(l)) REQUIRE(pages.fence(l));
        for (auto& [r, prompt] : open) REQUIRE(pages.close({r}));
        CHECK(pages.check());
        CHECK(pages.counts().free + pages.counts().cached == 24);
    }
}
