// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/crc32c.hpp>

#include <array>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;

namespace {
std::vector<std::byte> noise(std::size_t size, std::uint64_t seed) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(mix(seed + i));
    return bytes;
}
// One bit at a time, straight from the definition.
std::uint32_t by_definition(std::span<const std::byte> bytes) {
    std::uint32_t r = ~0u;
    for (std::byte b : bytes) {
        r ^= static_cast<std::uint32_t>(b);
        for (int i = 0; i < 8; ++i) r = r & 1 ? (r >> 1) ^ 0x82f63b78u : r >> 1;
    }
    return ~r;
}
} // namespace

TEST_CASE("the vectors of RFC 3720 B.4 hold") {
    std::array<std::byte, 32> bytes{};
    CHECK(crc32c(bytes) == 0x8a9136aa);
    bytes.fill(std::byte{0xff});
    CHECK(crc32c(bytes) == 0x62a8ab43);
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
    CHECK(crc32c(bytes) == 0x46dd794e);
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
    CHECK(crc32c(bytes) == 0x113fdb5c);
    std::array<std::byte, 48> read10{}; // an iSCSI SCSI Read (10) command PDU
    read10[0] = std::byte{0x01}, read10[1] = std::byte{0xc0}, read10[16] = std::byte{0x14};
    read10[22] = std::byte{0x04}, read10[27] = std::byte{0x14}, read10[31] = std::byte{0x18};
    read10[32] = std::byte{0x28}, read10[40] = std::byte{0x02};
    CHECK(crc32c(read10) == 0xd9963a56);
    CHECK(crc32c(std::as_bytes(std::span("123456789", 9))) == 0xe3069283);
    CHECK(crc32c({}) == 0);
}

TEST_CASE("table and instruction agree with the definition at every size and alignment") {
    const auto bytes = noise(7000, 1);
    std::size_t sizes[] = {0, 1, 2, 7, 8, 9, 63, 64, 383, 384, 385, 767, 1000, 3071, 3072, 3073, 6143, 6144, 6900};
    for (std::size_t size : sizes) {
        for (std::size_t offset : {0, 1, 3, 8, 13}) {
            const std::span part(bytes.data() + offset, size);
            const std::uint32_t want = by_definition(part);
            CAPTURE(size);
            CHECK(~detail::crc::by_table(~0u, part.data(), size) == want);
            if (detail::crc::has_instructions()) CHECK(~detail::crc::by_instruction(~0u, part.data(), size) == want);
            CHECK(crc32c(part) == want);
        }
    }
}

TEST_CASE("a checksum goes on where it stopped, and two combine into one") {
    const auto bytes = noise(5000, 2);
    const std::span whole(bytes);
    for (std::size_t cut : {0, 1, 8, 100, 2499, 4999, 5000}) {
        const auto a = whole.first(cut), b = whole.subspan(cut);
        CHECK(crc32c(b, crc32c(a)) == crc32c(whole));
        CHECK(crc32c_combine(crc32c(a), crc32c(b), b.size()) == crc32c(whole));
    }
    static_assert(crc32c_combine(0x8a9136aa, 0, 0) == 0x8a9136aa);
}

TEST_CASE("every single flipped bit changes the checksum") {
    auto bytes = noise(512, 3);
    const std::uint32_t before = crc32c(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
        REQUIRE(crc32c(bytes) != before);
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
    }
}
