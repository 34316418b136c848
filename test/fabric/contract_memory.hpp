// SPDX-License-Identifier: Apache-2.0
// Memory: registered and given up, read by peers, and closed to whoever has no key or reaches beyond it. A part of
// contract.hpp.
#pragma once

#include <cstddef>
#include <cstring>

#include <doctest/doctest.h>

#include <ashlar/fabric/concepts.hpp>

#include "contract_kit.hpp"

namespace ashlar::contract {

template <class K, class MakeWorld>
void memory_cases(MakeWorld make) {
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
}

} // namespace ashlar::contract
