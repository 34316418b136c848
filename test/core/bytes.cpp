// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/bytes.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <vector>

using namespace ashlar;

TEST_CASE("numbers are written little end first and read back") {
    std::array<std::byte, 15> buffer{};
    byte_writer out(buffer);
    out.put(std::uint32_t{0x01020304});
    out.put(std::int16_t{-2});
    out.put(std::uint8_t{0xff});
    out.put(std::uint64_t{0x1122334455667788});
    REQUIRE(out.ok());
    CHECK(out.size() == 15);
    CHECK(buffer[0] == std::byte{4});
    CHECK(buffer[3] == std::byte{1});

    byte_reader in(out.written());
    CHECK(in.get<std::uint32_t>() == 0x01020304);
    CHECK(in.get<std::int16_t>() == -2);
    CHECK_FALSE(in.done());
    CHECK(in.get<std::uint8_t>() == 0xff);
    CHECK(in.get<std::uint64_t>() == 0x1122334455667788);
    CHECK(in.done());
}

TEST_CASE("a full buffer refuses whole values and stays refused") {
    std::array<std::byte, 5> buffer{};
    byte_writer out(buffer);
    out.put(std::uint32_t{7});
    out.put(std::uint16_t{8}); // one byte short
    CHECK_FALSE(out.ok());
    CHECK(out.size() == 4);
    out.put(std::uint8_t{9}); // would fit, but the message is broken already
    CHECK_FALSE(out.ok());
    CHECK(out.size() == 4);
    CHECK(buffer[4] == std::byte{0});
}

TEST_CASE("a reader past its end yields zeros and says so once, at the end") {
    const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
    byte_reader in(bytes);
    CHECK(in.get<std::uint16_t>() == 0x0201);
    CHECK(in.get<std::uint32_t>() == 0);
    CHECK_FALSE(in.ok());
    CHECK(in.get<std::uint8_t>() == 0); // there is a byte left, but the reader has given up
    CHECK(in.take(0).empty());
    CHECK_FALSE(in.done());
}

TEST_CASE("every cut of a message is noticed") {
    std::vector<std::byte> message(64);
    byte_writer out(message);
    const std::array<std::byte, 10> tail{};
    out.put(std::uint64_t{1});
    out.put(std::uint32_t{static_cast<std::uint32_t>(tail.size())});
    out.put(tail);
    REQUIRE(out.ok());
    const auto parse = [](std::span<const std::byte> bytes) {
        byte_reader in(bytes);
        (void)in.get<std::uint64_t>();
        (void)in.take(in.get<std::uint32_t>());
        return in.done();
    };
    CHECK(parse(out.written()));
    for (std::size_t cut = 0; cut < out.size(); ++cut) CHECK_FALSE(parse(out.written().first(cut)));
    CHECK_FALSE(parse(message)); // nor may anything follow
}

TEST_CASE("a length that lies cannot reach past the message") {
    std::array<std::byte, 8> bytes{};
    byte_writer out(bytes);
    out.put(std::uint64_t{UINT64_MAX});
    byte_reader in(bytes);
    CHECK(in.take(in.get<std::uint64_t>()).empty());
    CHECK_FALSE(in.ok());
}
