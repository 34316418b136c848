// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/pool.hpp>

#include <array>
#include <vector>

using namespace ashlar;

TEST_CASE("a page freed twice is refused") {
    kv::pool pool(4);
    std::array<block_run, 4> storage;
    kv::block_table table(storage);
    REQUIRE(pool.allocate(1, table));
    CHECK(pool.release({0}));
    CHECK(pool.release({0}).error().code == errc::invalid_argument);
    CHECK(pool.unlease({0}).error().code == errc::invalid_argument);
    CHECK(pool.fence({0}).error().code == errc::invalid_argument);
    CHECK(pool.check());
}

TEST_CASE("a page that changes hands gets a new generation") {
    kv::pool pool(1);
    std::array<block_run, 1> storage;
    kv::block_table table(storage);
    for (std::uint32_t i = 0; i < 5; ++i) {
        CHECK(pool.generation({0}).value == i);
        table.clear();
        REQUIRE(pool.allocate(1, table));
        REQUIRE(pool.release({0}));
    }
}

TEST_CASE("a leased page outlives its owner, and goes through quarantine, never straight to free") {
    kv::pool pool(2);
    std::array<block_run, 2> storage;
    kv::block_table table(storage);
    REQUIRE(pool.allocate(1, table));
    pool.lease({0});
    REQUIRE(pool.release({0}));
    CHECK(pool.state({0}) == kv::page_state::leased);
    REQUIRE(pool.quarantine({0}));
    CHECK(pool.state({0}) == kv::page_state::quarantined);
    table.clear();
    CHECK(pool.allocate(2, table).error().code == errc::exhausted);
    REQUIRE(pool.fence({0}));
    CHECK(pool.allocate(2, table));
    CHECK(pool.check());
}

TEST_CASE("random histories: the pool and a naive model agree on every state and sum") {
    struct model {
        int references = 0, leases = 0, quarantines = 0;
        bool indexed = false;
        kv::page_state state() const {
            return quarantines             ? kv::page_state::quarantined
                   : leases                ? kv::page_state::leased
                   : references || indexed ? kv::page_state::owned
                                           : kv::page_state::free;
        }
    };
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        random_stream random{.seed = seed};
        kv::pool pool(97);
        std::vector<model> pages(97);
        std::vector<block_run> storage(97);
        for (int step = 0; step < 400; ++step) {
            const auto i = static_cast<std::uint32_t>(random.below(97));
            model& m = pages[i];
            const bool held = m.state() != kv::page_state::free;
            switch (random.below(8)) {
            case 0: {
                kv::block_table table(storage);
                const auto n = static_cast<std::uint32_t>(random.below(12));
                if (pool.allocate(n, table)) {
                    for (auto run : table.runs())
                        for (std::uint32_t k = 0; k < run.count; ++k) {
                            CHECK(pages[run.first + k].state() == kv::page_state::free);
                            pages[run.first + k].references = 1;
                        }
                } else {
                    CHECK(pool.counts().free < n);
                }
                break;
            }
            case 1:
                if (held) pool.retain({i}), ++m.references;
                break;
            case 2:
            case 3:
                CHECK(bool(pool.release({i})) == (m.references > 0));
                m.references -= m.references > 0;
                break;
            case 4:
                if (held) pool.lease({i}), ++m.leases;
                break;
            case 5:
                CHECK(bool(pool.unlease({i})) == (m.leases > 0));
                m.leases -= m.leases > 0;
                break;
            case 6:
                CHECK(bool(pool.quarantine({i})) == (m.leases > 0));
                if (m.leases) --m.leases, ++m.quarantines;
                break;
            case 7:
                CHECK(bool(pool.fence({i})) == (m.quarantines > 0));
                m.quarantines -= m.quarantines > 0;
                if (held && m.state() != kv::page_state::free) m.indexed = !m.indexed, pool.set_indexed({i}, m.indexed);
                break;
            }
            REQUIRE(pool.check());
            for (std::uint32_t k = 0; k < 97; ++k) REQUIRE(pool.state({k}) == pages[k].state());
        }
    }
}
