// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/codec.hpp>

#include <array>

#include <doctest/doctest.h>

#include <ashlar/sched/event.hpp>

using namespace ashlar;

TEST_CASE("a struct is written field by field, little-endian, without padding") {
    std::array<std::byte, 64> buffer{};
    byte_writer out(buffer);
    const sched::event e = sched::reserve_failed{{0x0102}, 3, {4}, {errc::exhausted, origin::kv, -1}};
    sched::encode(out, e);
    CHECK(out.size() == sched::encoded_size(e));
    CHECK(out.size() == 1 + 8 + 4 + 4 + 2 + 2 + 4);
    CHECK(buffer[0] == std::byte(e.index()));
    CHECK(buffer[1] == std::byte{2});
    CHECK(buffer[2] == std::byte{1});
    CHECK(buffer[9] == std::byte{3});
}

TEST_CASE("bytes that end early or name no alternative are refused") {
    std::array<std::byte, 64> buffer{};
    byte_writer out(buffer);
    sched::encode(out, sched::event{sched::arrive{{1}, 2, 3, {4}}});
    for (std::size_t n = 0; n < out.size(); ++n) {
        byte_reader in(out.written().first(n));
        sched::event e;
        CHECK_FALSE(sched::decode(in, e));
    }
    buffer[0] = std::byte{std::variant_size_v<sched::event>};
    byte_reader in(buffer);
    sched::event e;
    CHECK_FALSE(sched::decode(in, e));
}
