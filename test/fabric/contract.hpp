// SPDX-License-Identifier: Apache-2.0
// The contract kit: what ashlar expects of a network, as tests that run unchanged over every driver, and over yours.
//
//     struct my_world {                                  // two endpoints that do not know each other yet
//         my_fabric& a();  my_fabric& b();
//         std::span<std::byte> memory(my_fabric&, std::size_t size);   // that this endpoint can register; zeroed
//         void kill_b();                                 // b goes away without a word
//         void idle();                                   // optional: called when both ends had nothing to do
//     };
//     TEST_CASE("mine keeps the contract") { ashlar::contract::run([] { return std::make_unique<my_world>(); }); }
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/crc32c.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/fabric/concepts.hpp>

#include "contract_kit.hpp"

namespace ashlar::contract {

template <class MakeWorld>
void run(MakeWorld make) {
    using K = kit<std::remove_reference_t<decltype(*make())>>;
    using F = typename K::F;

    SUBCASE("memory is registered, and given up once") {
        K k(make());
        CHECK(k.a.mine.size == K::size);
        CHECK(k.a.mine.remote.size == K::size);
        const auto second = k.a.net.register_memory({k.a.bytes.data(), 4096, memory_kind::host});
        REQUIRE(second); // overlapping registrations are independent
        CHECK(second->remote.size == 4096);
        CHECK(k.a.net.deregister_memory(*second));
        const auto again = k.a.net.deregister_memory(*second);
        REQUIRE(!again);
        CHECK(again.error().code == errc::not_found);
        const auto nothing = k.a.net.register_memory({k.a.bytes.data(), 0, memory_kind::host});
        REQUIRE(!nothing);
        CHECK(nothing.error().code == errc::invalid_argument);
        k.exchange();
    }

    SUBCASE("a write without a number arrives, and only there") {
        K k(make());
        k.fill(k.a.bytes, 1);
        op& o = k.fresh();
        REQUIRE(k.insist([&] { return k.a.net.write(k.a.other, {&k.a.mine, 100, 5000}, {k.b.mine.remote, 300}, o); }));
        REQUIRE(k.finish(o));
        CHECK(o.status == op_status::done);
        CHECK(k.until([&] { return k.arrived(100, 300, 5000); }));
        k.settle();
        CHECK(k.zero(0, 300));
        CHECK(k.zero(5300, 4096));
        CHECK(k.a.completed[&o] == 1);
        CHECK(k.b.immediates.empty());
    }

    SUBCASE("a number tells that its write is complete, whatever the size and the alignment") {
        K k(make());
        k.fill(k.a.bytes, 2);
        std::uint32_t number = 0;
        for (std::size_t n : {1ul, 7ul, 64ul, 129ul, 4095ul, 4096ul, 6144ul, 65537ul, 1048579ul}) {
            for (std::size_t shift : {0ul, 1ul, 63ul}) {
                CAPTURE(n);
                std::memset(k.b.bytes.data(), 0, n + 256);
                op& o = k.fresh();
                REQUIRE(k.write(o, shift * 3, 128 + shift, n, ++number));
                REQUIRE(k.until([&] { return k.b.immediates.count(number) == 1; }));
                REQUIRE(k.arrived(shift * 3, 128 + shift, n));
                REQUIRE(k.zero(0, 128 + shift));
                REQUIRE(k.zero(128 + shift + n, 64));
                REQUIRE(k.finish(o));
                CHECK(o.status == op_status::done);
                if constexpr (F::computes_checksum) CHECK(o.checksum == crc32c({k.a.bytes.data() + shift * 3, n}));
            }
        }
    }

    SUBCASE("a write of nothing carries its number") {
        K k(make());
        for (std::uint32_t number : {0u, 1u, 0x80000000u, 0xffffffffu}) { // all 32 bits are the user's
            op& o = k.fresh();
            REQUIRE(
                k.insist([&] { return k.a.net.write(k.a.other, {&k.a.mine, 0, 0}, {k.b.mine.remote, 0}, number, o); }));
            REQUIRE(k.finish(o));
            CHECK(o.status == op_status::done);
            CHECK(k.until([&] { return k.b.immediates.count(number) == 1; }));
        }
        k.settle();
        CHECK(k.b.immediates.size() == 4);
        CHECK(k.zero(0, 4096));
    }

    SUBCASE("many writes in flight all arrive, and every number exactly once, in whatever order") {
        K k(make());
        k.fill(k.a.bytes, 3);
        constexpr std::size_t count = 400, page = 6144;
        std::vector<op> ops(count);
        for (std::size_t i = 0; i < count; ++i)
            REQUIRE(k.write(ops[i], i * page, (count - 1 - i) * page, page, 1000 + i));
        REQUIRE(k.until([&] { return k.b.immediates.size() >= count && k.a.completed.size() >= count; }));
        k.settle();
        for (std::size_t i = 0; i < count; ++i) {
            REQUIRE(ops[i].status == op_status::done);
            REQUIRE(k.a.completed[&ops[i]] == 1);
            REQUIRE(k.b.immediates.count(1000 + i) == 1);
            REQUIRE(k.arrived(i * page, (count - 1 - i) * page, page));
        }
        CHECK(k.b.immediates.size() == count);
    }

    SUBCASE("queues are bounded: posting without polling ends in `again`, and nothing is lost or doubled") {
        K k(make());
        k.exchange();
        std::vector<op> ops(65536);
        std::size_t posted = 0;
        result<void> r;
        for (; posted < ops.size(); ++posted) {
            r = k.a.net.write(k.a.other, {&k.a.mine, 0, 64}, {k.b.mine.remote, 64}, 7, ops[posted]);
            if (!r) break;
        }
        REQUIRE(!r);
        CHECK(r.error().code == errc::again);
        CHECK(ops[posted].status == op_status::idle);
        k.b.immediates.clear();
        REQUIRE(k.until([&] { return k.b.immediates.size() >= posted && k.a.completed.size() >= posted + 1; }));
        REQUIRE(k.write(ops[posted], 0, 64, 64, 7)); // and the one that was refused goes through now
        REQUIRE(k.until([&] { return k.b.immediates.size() >= posted + 1 && k.a.completed[&ops[posted]] == 1; }));
        k.settle();
        CHECK(k.b.immediates.size() == posted + 1);
        for (std::size_t i = 0; i <= posted; ++i) REQUIRE(k.a.completed[&ops[i]] == 1);
    }

    SUBCASE("both directions at once") {
        K k(make());
        constexpr std::size_t count = 100, page = 12288;
        std::vector<op> ops(2 * count);
        k.fill(k.a.bytes.first(count * page), 4);
        k.fill(k.b.bytes.subspan(count * page, count * page), 5);
        for (std::size_t i = 0; i < count; ++i) {
            REQUIRE(k.write(ops[i], i * page, i * page, page, i));
            const std::size_t at = (count + i) * page;
            REQUIRE(k.insist([&] {
                return k.b.net.write(k.b.other, {&k.b.mine, at, page}, {k.a.mine.remote, at}, i, ops[count + i]);
            }));
        }
        REQUIRE(k.until([&] { return k.a.immediates.size() >= count && k.b.immediates.size() >= count; }));
        CHECK(k.arrived(0, 0, 2 * count * page));
        REQUIRE(k.until([&] { return k.a.completed.size() >= count && k.b.completed.size() >= count; }));
    }

    SUBCASE("an op may be posted again after its completion") {
        K k(make());
        op& o = k.fresh();
        for (std::uint32_t i = 0; i < 50; ++i) {
            REQUIRE(k.write(o, i, i, 100, i));
            REQUIRE(k.finish(o, static_cast<int>(i) + 1));
            REQUIRE(o.status == op_status::done);
        }
        REQUIRE(k.until([&] { return k.b.immediates.size() >= 50; }));
        k.settle();
        CHECK(k.a.completed[&o] == 50);
        CHECK(k.b.immediates.size() == 50);
    }

    SUBCASE("messages arrive whole, once and in order, from whom they say") {
        K k(make());
        constexpr std::size_t count = 300;
        std::vector<op> ops(count);
        std::vector<std::byte> text(F::max_message);
        k.fill(text, 6);
        const auto length = [](std::size_t i) {
            return i == 0 ? 1 : i == 1 ? F::max_message : 4 + i * 37 % (F::max_message - 4);
        };
        for (std::size_t i = 0; i < count; ++i) {
            std::vector<std::byte> message(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length(i)));
            if (message.size() >= 4) std::memcpy(message.data(), &i, 4);
            REQUIRE(k.insist([&] { return k.a.net.send(k.a.other, message, ops[i]); }));
            std::fill(message.begin(), message.end(), std::byte{0xee}); // the caller's again as soon as send returns
        }
        REQUIRE(k.until([&] { return k.b.messages.size() >= count && k.a.completed.size() >= count; }));
        k.settle();
        REQUIRE(k.b.messages.size() == count);
        for (std::size_t i = 0; i < count; ++i) {
            auto want = std::vector<std::byte>(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length(i)));
            if (want.size() >= 4) std::memcpy(want.data(), &i, 4);
            REQUIRE(k.b.messages[i] == want);
            REQUIRE(k.b.message_peers[i] == k.b.other);
            REQUIRE(k.a.completed[&ops[i]] == 1);
            REQUIRE(ops[i].status == op_status::done);
        }
    }

    SUBCASE("messages have limits") {
        K k(make());
        op& o = k.fresh();
        std::vector<std::byte> message(F::max_message + 1);
        const auto large = k.a.net.send(k.a.other, message, o);
        REQUIRE(!large);
        CHECK(large.error().code == errc::out_of_range);
        const auto empty = k.a.net.send(k.a.other, {}, o);
        REQUIRE(!empty);
        CHECK(empty.error().code == errc::invalid_argument);
        CHECK(o.status == op_status::idle);
    }

    if constexpr (readable<F>) {
        SUBCASE("a peer's memory can be read") {
            K k(make());
            k.fill(k.b.bytes, 7);
            for (std::size_t n : {1ul, 333ul, 70001ul}) {
                op& o = k.fresh();
                std::memset(k.a.bytes.data(), 0, n + 100);
                REQUIRE(
                    k.insist([&] { return k.a.net.read(k.a.other, {&k.a.mine, 11, n}, {k.b.mine.remote, 1234}, o); }));
                REQUIRE(k.finish(o));
                CHECK(o.status == op_status::done);
                CHECK(k.arrived(11, 1234, n));
                CHECK(k.a.bytes[10] == std::byte{});
                CHECK(k.a.bytes[11 + n] == std::byte{});
            }
        }
    }

    SUBCASE("a write outside of a region is refused, and nothing happens") {
        K k(make());
        op& o = k.fresh();
        const auto refused = [&](std::size_t from, std::size_t n, std::size_t to) {
            const auto r = k.a.net.write(k.a.other, {&k.a.mine, from, n}, {k.b.mine.remote, to}, 1, o);
            return !r && r.error().code == errc::out_of_range && o.status == op_status::idle;
        };
        CHECK(refused(0, 64, K::size - 63));
        CHECK(refused(0, 1, K::size));
        CHECK(refused(K::size - 63, 64, 0));
        CHECK(refused(0, K::size + 1, 0));
        CHECK(refused(~std::size_t{0}, 2, 0));
        CHECK(refused(0, 2, ~std::size_t{0}));
        CHECK(refused(0, 0, K::size + 1));
        k.settle();
        CHECK(k.b.immediates.empty());
        CHECK(k.zero(0, K::size));
        k.exchange();
    }

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

    SUBCASE("a key that is not registered opens nothing") {
        K k(make());
        k.exchange();
        std::memset(k.b.bytes.data(), 0, K::size);
        k.fill(k.a.bytes, 8);
        const remote_region gone = k.b.mine.remote;
        REQUIRE(k.b.net.deregister_memory(k.b.mine));
        // Refused at once, or failed later, or (TCP) done, because the source was let go before the target refused. The
        // line may suffer, the memory not, and the number must not come.
        op& o = k.fresh();
        const auto r = k.insist([&] { return k.a.net.write(k.a.other, {&k.a.mine, 0, 4096}, {gone, 0}, 9, o); });
        if (r) {
            REQUIRE(k.finish(o));
            CHECK(o.fault.code != errc::again);
        } else
            CHECK(r.error().code != errc::again);
        k.settle();
        CHECK(k.zero(0, K::size));
        CHECK(k.b.immediates.count(9) == 0);
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

    SUBCASE("poll fills no more than it is given, and comes back at once with nothing") {
        K k(make());
        CHECK(k.a.net.poll({}) == 0);
        std::vector<op> ops(20);
        for (op& o : ops) REQUIRE(k.write(o, 0, 0, 8, 1));
        REQUIRE(k.until([&] { return k.a.completed.size() >= ops.size() && k.b.immediates.size() >= ops.size(); }));
        CHECK(k.a.net.poll({}) == 0);
        std::vector<op> more(20);
        for (op& o : more) REQUIRE(k.write(o, 0, 0, 8, 2));
        REQUIRE(k.until([&] { return k.a.poll(1), k.b.poll(1), k.b.immediates.count(2) >= more.size(); }));
        REQUIRE(k.until([&] { return k.a.completed.size() >= 40; }));
        k.settle();
        CHECK(k.b.immediates.size() == 40);
    }

    if constexpr (waitable<F>) {
        SUBCASE("wait sleeps, not longer than told, and wakes for what arrives") {
            K k(make());
            k.exchange();
            k.settle();
            const auto start = std::chrono::steady_clock::now();
            k.b.net.wait(duration{20'000'000});
            CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
            op& o = k.fresh();
            REQUIRE(k.insist([&] { return k.a.net.send(k.a.other, std::as_bytes(std::span("wake", 4)), o); }));
            REQUIRE(k.until([&] { return k.b.net.wait(duration{100'000}), !k.b.messages.empty(); }));
        }
        SUBCASE("a wait for less than nothing ends at once, one without end for news, and one is not over before its "
                "time") {
            K k(make());
            k.exchange();
            k.settle();
            const auto start = std::chrono::steady_clock::now();
            k.b.net.wait(duration{-10'000'000});
            k.b.net.wait(duration{std::numeric_limits<std::int64_t>::min()});
            CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
            for (int i = 0; i < 3; ++i) { // it may wake for nothing, but then it says so
                const auto begin = std::chrono::steady_clock::now();
                const bool over = !k.b.net.wait(duration{400'000'000});
                if (over) CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(400));
            }
            op& o = k.fresh();
            REQUIRE(k.insist([&] { return k.a.net.send(k.a.other, std::as_bytes(std::span("wake", 4)), o); }));
            CHECK(k.b.net.wait(duration{std::numeric_limits<std::int64_t>::max()}));
        }
    }
}

} // namespace ashlar::contract
