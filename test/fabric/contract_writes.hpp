// SPDX-License-Identifier: Apache-2.0
// Writes: where they arrive, when they are complete, how many can be under way, and what the number of each is for. A
// part of contract.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/crc32c.hpp>
#include <ashlar/fabric/concepts.hpp>

#include "contract_kit.hpp"

namespace ashlar::contract {

template <class K, class MakeWorld>
void write_cases(MakeWorld make) {
    using F = typename K::F;

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
}

} // namespace ashlar::contract
