// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/cache_leases.hpp>

#include <vector>

#include "small_cache.hpp"

using namespace ashlar;
using namespace ashlar::literals;
using namespace ashlar::test;

TEST_CASE("nothing joins the index while a peer may write to it") {
    kv::cache pages(small);
    const auto prompt = tokens_of(12);
    REQUIRE(pages.open({1}, prompt, 0));
    const auto lease = pages.grant({1}, {0, 3}, kv::access::write, {100});
    REQUIRE(lease);
    CHECK(pages.commit({1}, prompt).error().code == errc::invalid_argument);
    CHECK(pages.verify(*lease));
    REQUIRE(pages.release(*lease));
    CHECK(pages.commit({1}, prompt));
    CHECK(pages.grant({1}, {2, 2}, kv::access::read, {100}).error().code == errc::out_of_range);
}

TEST_CASE("a lease past its end is quarantined, and fenced once") {
    kv::cache pages(small);
    REQUIRE(pages.open({1}, tokens_of(12), 0));
    const auto lease = *pages.grant({1}, {0, 3}, kv::access::write, {100});
    REQUIRE(pages.bind(lease, {7}));
    CHECK(pages.bind(lease, {8}).error().code == errc::replayed);
    REQUIRE(pages.close({1}));
    int expired = 0;
    pages.expire({99}, [&](kv::lease_id) { ++expired; });
    CHECK(pages.counts().leased == 3);
    pages.expire({100}, [&](kv::lease_id) { ++expired; });
    CHECK(expired == 1);
    CHECK(pages.counts().quarantined == 3);
    CHECK(pages.renew(lease, {200}).error().code == errc::expired);
    CHECK(pages.release(lease).error().code == errc::invalid_argument);
    CHECK(pages.fence(epoch_id{8}) == 0);
    CHECK(pages.fence(epoch_id{7}) == 1);
    CHECK(pages.fence(lease).error().code == errc::not_found);
    CHECK(pages.counts().free == 24);
}

TEST_CASE("with the memory out of everybody's reach no lease is left") {
    kv::cache pages(small);
    const auto prompt = tokens_of(12);
    REQUIRE(pages.open({1}, prompt, 0));
    REQUIRE(pages.open({2}, tokens_of(8, 100), 4));
    const auto lent = *pages.grant({1}, {0, 3}, kv::access::write, {100});
    REQUIRE(pages.grant({2}, {0, 2}, kv::access::read, {200}));
    REQUIRE(pages.close({2}));
    CHECK_FALSE(pages.overdue({1000}));
    REQUIRE(pages.quarantine(lent));
    CHECK_FALSE(pages.overdue({100}));
    CHECK(pages.overdue({101}));
    CHECK(pages.fence_all() == 2);
    CHECK(pages.fence_all() == 0);
    CHECK_FALSE(pages.overdue({1000}));
    CHECK(pages.counts().quarantined == 0);
    CHECK(pages.counts().leased == 0);
    CHECK(pages.check());
    CHECK(pages.commit({1}, prompt)); // what was open stays open, and nobody writes to it
    REQUIRE(pages.close({1}));
    CHECK(pages.counts().free + pages.counts().cached == 24);
}
