// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/page_table.hpp>

#include <map>

using namespace ashlar;

TEST_CASE("a table finds what a map finds, however many pages share their bits") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        random_stream random{.seed = seed};
        const auto pages = static_cast<std::uint32_t>(1 + random.below(40));
        const std::uint64_t values = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 4 : 1u << 31; // of bits: adversarial to random
        kv::page_table table(pages);
        std::map<std::uint32_t, std::uint32_t> bits_of; // page -> bits
        for (int step = 0; step < 100; ++step) {
            const auto page = static_cast<std::uint32_t>(random.below(pages));
            if (const auto at = bits_of.find(page); at == bits_of.end()) {
                bits_of[page] = static_cast<std::uint32_t>(random.below(values) * 0xffffffffu);
                table.insert(bits_of[page], page);
            } else if (random.chance(0.5f)) {
                table.erase(at->second, page);
                bits_of.erase(at);
            }
            REQUIRE(table.size() == bits_of.size());
            for (std::uint32_t p = 0; p < pages; ++p) {
                const auto at = bits_of.find(p);
                const std::uint32_t bits = at == bits_of.end() ? static_cast<std::uint32_t>(random.next()) : at->second;
                const std::uint32_t expected = at == bits_of.end() ? kv::no_page : p;
                REQUIRE(table.find(bits, [p](std::uint32_t other) { return other == p; }) == expected);
            }
        }
    }
}

TEST_CASE("a page's own data is asked for only when all 32 bits agree") {
    kv::page_table table(3);
    table.insert(8, 0), table.insert(16, 1), table.insert(8 | 1u << 31, 2); // one home
    std::uint32_t asked = 0;
    CHECK(table.find(16, [&](std::uint32_t) { return ++asked, true; }) == 1);
    CHECK(table.find(24, [&](std::uint32_t) { return ++asked, true; }) == kv::no_page);
    CHECK(asked == 1);
}
