// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/rest.hpp>

#include <chrono>

#include <doctest/doctest.h>

#include "providers.hpp"

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("a wait without news ends about when it should, and a nap is short") {
    const auto elapsed_ms = [](auto&& what) {
        const auto begin = std::chrono::steady_clock::now();
        what();
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    };
    for (const std::string& provider : test::providers()) {
        CAPTURE(provider);
        test::beneath b(provider);
        ofi::rest r;
        // Longer than it was told never by itself; a busy machine may add to it, so that the bound is wide.
        CHECK(elapsed_ms([&] { (void)r.wait(b.libfabric, 20_ms, false); }) < 2000);
        bool news = true;
        CHECK(elapsed_ms([&] { news = r.wait(b.libfabric, 10_s, true); }) < 2000);
        CHECK(news); // may have come meanwhile
        r.over();
    }
}
