// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/wire.hpp>

#include <array>

using namespace ashlar;

TEST_CASE("each message comes back as it went; cut or with an unknown verb it is corrupt") {
    std::array<std::byte, kv::message_bytes_max> buffer;
    for (std::uint8_t v = 1; v <= 8; ++v) {
        kv::control c{.what = static_cast<kv::verb>(v), .transfer = {9}, .to_handle = 3, .from_handle = 4};
        if (c.what == kv::verb::layer_done) {
            c.layer = 2, c.first_block = 5, c.blocks = kv::pieces_max, c.offered = true, c.repeat = true,
            c.source = {1, 2, 3};
            for (std::uint32_t i = 0; i < kv::pieces_max; ++i) REQUIRE(c.pieces.push_back({1, i, i * 100}));
        }
        if (c.what == kv::verb::again) c.layer = 1, c.first_block = 2, c.blocks = 3, c.offered = true;
        if (c.what == kv::verb::fenced) c.total = 77, c.reason = errc::cancelled;
        const std::size_t n = kv::encode(c, buffer);
        REQUIRE(n > 0); // also the largest fits
        const auto back = kv::decode_control(std::span(buffer).first(n));
        REQUIRE(back);
        CHECK(back->what == c.what);
        CHECK(back->transfer == c.transfer);
        CHECK(back->blocks == c.blocks);
        CHECK(back->offered == c.offered);
        CHECK(back->total == c.total);
        CHECK(back->reason == c.reason);
        REQUIRE(back->pieces.size() == c.pieces.size());
        for (std::size_t i = 0; i < c.pieces.size(); ++i) CHECK(back->pieces[i].source_offset == i * 100);
        for (std::size_t cut = 0; cut < n; ++cut)
            CHECK(kv::decode_control(std::span(buffer).first(cut)).error().code == errc::corrupt);
    }
    buffer[0] = std::byte{9};
    CHECK_FALSE(kv::decode_control(std::span(buffer).first(17)));
}

TEST_CASE("an announcement of nothing, of more writes than pieces, or of writes beside an offer is corrupt") {
    std::array<std::byte, kv::message_bytes_max> buffer;
    const auto back = [&](const kv::control& c) {
        return kv::decode_control(std::span(buffer).first(kv::encode(c, buffer)));
    };
    kv::control c{.what = kv::verb::layer_done, .transfer = {9}};
    CHECK_FALSE(back(c));
    c.blocks = 2, c.writes = 1;
    REQUIRE(c.pieces.push_back({2, 0, 0}));
    CHECK(back(c));
    c.writes = 2;
    CHECK_FALSE(back(c));
    c.offered = true, c.writes = 1;
    CHECK_FALSE(back(c));
    c.writes = 0;
    CHECK(back(c));
    CHECK_FALSE(back({.what = kv::verb::again, .transfer = {9}}));
}
