// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/opened.hpp>

#include <doctest/doctest.h>

#include "providers.hpp"

using namespace ashlar;

TEST_CASE("everything beneath an endpoint opens, pins memory under a key, and closes in an order libfabric takes") {
    for (const std::string& provider : test::providers()) {
        CAPTURE(provider);
        auto info = ofi::pick_provider({.provider = provider.c_str()});
        REQUIRE(info);
        std::byte bytes[4096] = {};
        ofi::opened o;
        REQUIRE(o.open(*info->get(), 64));
        ofi::pinned memory;
        ofi::handle<fid_ep> ep;
        REQUIRE(o.open_endpoint(*info->get(), ep));
        auto made = o.pin(*info->get(), ep, bytes);
        REQUIRE(made);
        memory = std::move(*made);
        CHECK(memory.serial == 1);
        fi_cq_data_entry entry;
        CHECK(fi_cq_read(o.cq.get(), &entry, 1) == -FI_EAGAIN);
    }
}
