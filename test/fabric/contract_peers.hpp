// SPDX-License-Identifier: Apache-2.0
// Peers: connected, unknown, connected anew, dead. A part of contract.hpp.
#pragma once

#include <cstddef>
#include <span>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/fabric/concepts.hpp>

#include "contract_kit.hpp"

namespace ashlar::contract {

template <class K, class MakeWorld>
void peer_cases(MakeWorld make) {
    SUBCASE("a peer that nobody connected is not found") {
        K k(make());
        op& o = k.fresh();
        const auto r = k.a.net.write({k.a.other.value + 1}, {&k.a.mine, 0, 8}, {k.b.mine.remote, 0}, o);
        REQUIRE(!r);
        CHECK(r.error().code == errc::not_found);
        const auto s = k.a.net.send(peer_id::none(), std::as_bytes(std::span("x", 1)), o);
        REQUIRE(!s);
        CHECK(s.error().code == errc::not_found);
        CHECK(o.status == op_status::idle);
        CHECK(k.a.net.state(peer_id::none()) == peer_state{});
        k.a.net.disconnect(peer_id::none()); // harmless
    }

    SUBCASE("an address that is none is refused") {
        K k(make());
        const auto good = k.b.net.address();
        std::vector<std::byte> bad(good.begin(), good.end());
        CHECK(!k.a.net.connect({}));
        CHECK(!k.a.net.connect(std::span(bad).first(bad.size() / 2)));
        for (std::size_t i = 0; i < 8 && i < bad.size(); ++i) bad[i] ^= std::byte{0x5a};
        CHECK(!k.a.net.connect(bad));
        k.exchange();
    }

    SUBCASE("connecting twice is connecting once; connecting anew is a new generation") {
        K k(make());
        const auto twice = k.a.net.connect(k.b.net.address());
        REQUIRE(twice);
        CHECK(*twice == k.a.other);
        const peer_state first = k.a.net.state(k.a.other);
        CHECK(first.up);
        CHECK(first.generation > 0);
        k.exchange();
        k.a.net.disconnect(k.a.other);
        CHECK(!k.a.net.state(k.a.other).up);
        op& o = k.fresh();
        const auto r = k.a.net.send(k.a.other, std::as_bytes(std::span("x", 1)), o);
        REQUIRE(!r);
        CHECK(r.error().code == errc::not_found);
        const auto anew = k.a.net.connect(k.b.net.address());
        REQUIRE(anew);
        CHECK(k.a.net.state(*anew).up);
        if (*anew == k.a.other) CHECK(k.a.net.state(*anew).generation > first.generation);
        k.a.other = *anew;
        k.exchange();
        CHECK(k.a.downs.empty());
    }

    SUBCASE("a dead peer is told of once, every op that was posted to it ends once, and later posts are refused") {
        K k(make());
        k.exchange();
        std::vector<op> ops(65536);
        std::size_t posted = 0;
        k.b_lives = false;
        k.world->kill_b();
        // Some networks only notice when they are used.
        const auto post = [&] {
            if (posted == ops.size()) return;
            const auto r = k.a.net.send(k.a.other, std::as_bytes(std::span("are you there", 13)), ops[posted]);
            if (r)
                ++posted;
            else
                CHECK((r.error().code == errc::again || r.error().code == errc::peer_down));
        };
        REQUIRE(k.until([&] { return post(), std::this_thread::yield(), !k.a.downs.empty(); }));
        REQUIRE(k.until([&] {
            for (std::size_t i = 0; i < posted; ++i)
                if (k.a.completed[&ops[i]] == 0) return false;
            return true;
        }));
        k.settle();
        for (std::size_t i = 0; i < posted; ++i) REQUIRE(k.a.completed[&ops[i]] == 1);
        REQUIRE(k.a.downs.size() == 1);
        CHECK(k.a.downs[0].peer == k.a.other);
        CHECK(!k.a.net.state(k.a.other).up);
        op late;
        const auto w = k.a.net.write(k.a.other, {&k.a.mine, 0, 8}, {k.b.mine.remote, 0}, 1, late);
        REQUIRE(!w);
        CHECK(w.error().code == errc::peer_down);
        const auto s = k.a.net.send(k.a.other, std::as_bytes(std::span("x", 1)), late);
        REQUIRE(!s);
        CHECK(s.error().code == errc::peer_down);
        CHECK(late.status == op_status::idle);
        k.a.net.disconnect(k.a.other);
        CHECK(!k.a.net.state(k.a.other).up);
    }
}

} // namespace ashlar::contract
