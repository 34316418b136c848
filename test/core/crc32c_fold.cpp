// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/crc32c_fold.hpp>

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/crc32c.hpp>
#include <ashlar/core/random.hpp>

using namespace ashlar;
namespace crc = detail::crc;

TEST_CASE("powers of x multiply as powers do") {
    CHECK(crc::x_power(0) == 1u << 31);
    CHECK(crc::x_power(1) == 1u << 30);
    CHECK(crc::x_power(32) == crc::polynomial);
    CHECK(crc::multiply(crc::x_power(1000), crc::x_power(234)) == crc::x_power(1234));
}

TEST_CASE("folding gives what the tables give, from any register, at any alignment, and copies only if it is told to") {
    if (!crc::can_fold()) return; // this processor lacks the instructions
    std::vector<std::byte> from(6000);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(mix(i));
    for (std::uint32_t r : {0u, ~0u, 0x12345678u}) {
        for (std::size_t offset : {0, 1, 32, 63}) {
            for (std::size_t n = crc::fold_bytes; n <= 20 * crc::fold_bytes; n += crc::fold_bytes) {
                CAPTURE(n);
                alignas(64) std::byte to[21 * crc::fold_bytes] = {};
                const std::byte* p = from.data() + offset;
                const std::uint32_t right = crc::by_table(r, p, n);
                REQUIRE(crc::fold<false>(r, p, n, nullptr) == right);
                REQUIRE(crc::fold<true>(r, p, n, to) == right);
                REQUIRE(std::equal(to, to + n, p));
                REQUIRE(std::all_of(to + n, to + sizeof to, [](std::byte b) { return b == std::byte{}; }));
            }
        }
    }
}
