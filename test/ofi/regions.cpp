// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/regions.hpp>

#include <doctest/doctest.h>

#include "providers.hpp"

using namespace ashlar;

TEST_CASE("a region is found until it is removed; its place, used again, is not mistaken for it") {
    for (const std::string& provider : test::providers()) {
        CAPTURE(provider);
        auto info = ofi::pick_provider({.provider = provider.c_str()});
        REQUIRE(info);
        std::byte bytes[4096] = {};
        ofi::opened o;
        REQUIRE(o.open(*info->get(), 64));
        ofi::regions known(1);
        ofi::handle<fid_ep> ep;
        REQUIRE(o.open_endpoint(*info->get(), ep));
        const fabric::memory m{bytes, sizeof bytes, fabric::memory_kind::host};
        const auto r = known.add(o, *info->get(), ep, m);
        REQUIRE(r);
        CHECK(known.find(*r) != nullptr);
        CHECK(known.add(o, *info->get(), ep, m).error().code == errc::exhausted);
        CHECK(known.remove(*r));
        CHECK(known.find(*r) == nullptr);
        CHECK(known.remove(*r).error().code == errc::not_found);
        const auto again = known.add(o, *info->get(), ep, m);
        REQUIRE(again);
        CHECK(known.find(*again) != nullptr);
        CHECK(known.find(*r) == nullptr);
    }
}
