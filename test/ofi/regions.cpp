// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/regions.hpp>

#include <doctest/doctest.h>

#include "providers.hpp"

using namespace ashlar;

TEST_CASE("a region is found until it is removed; its place, used again, is not mistaken for it") {
    for (const std::string& provider : test::providers()) {
        CAPTURE(provider);
        std::byte bytes[4096] = {};
        test::beneath b(provider);
        ofi::regions known(1);
        const fabric::memory m{bytes, sizeof bytes, fabric::memory_kind::host};
        const auto r = known.add(b.libfabric, *b.info.get(), b.ep, m);
        REQUIRE(r);
        CHECK(known.find(*r) != nullptr);
        CHECK(known.add(b.libfabric, *b.info.get(), b.ep, m).error().code == errc::exhausted);
        CHECK(known.remove(*r));
        CHECK(known.find(*r) == nullptr);
        CHECK(known.remove(*r).error().code == errc::not_found);
        const auto again = known.add(b.libfabric, *b.info.get(), b.ep, m);
        REQUIRE(again);
        CHECK(known.find(*again) != nullptr);
        CHECK(known.find(*r) == nullptr);
    }
}
