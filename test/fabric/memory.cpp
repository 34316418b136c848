// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/memory.hpp>

#include <array>
#include <limits>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::fabric;

TEST_CASE("what a peer needs is 24 bytes, and comes back as it went") {
    std::array<std::byte, 24> wire{};
    byte_writer out(wire);
    const remote_region sent{0x0123456789abcdef, 42, 1 << 20};
    put(out, sent);
    CHECK(out.ok());
    CHECK(out.size() == 24);
    byte_reader in(wire);
    CHECK(get_remote_region(in) == sent);
    CHECK(in.done());
    byte_reader cut{std::span(wire).first(23)};
    (void)get_remote_region(cut);
    CHECK(!cut.ok());
}

TEST_CASE("bounds hold at the edges and do not overflow") {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    static_assert(fits(0, 0, 0) && fits(10, 0, 10) && fits(0, 10, 10) && fits(3, 7, 10));
    static_assert(!fits(11, 0, 10) && !fits(4, 7, 10) && !fits(most, 2, 10) && !fits(2, most, 10) &&
                  !fits(most, most, most - 1));
    std::byte bytes[8];
    const region here{bytes, 8, {0, 1, 8}, 0};
    CHECK(in_bounds({&here, 4, 4}, {here.remote, 4}));
    CHECK(!in_bounds({&here, 5, 4}, {here.remote, 4}));
    CHECK(!in_bounds({&here, 4, 4}, {here.remote, 5}));
    CHECK(in_bounds({}, {here.remote, 8}));
    CHECK(!in_bounds({nullptr, 0, 1}, {here.remote, 0}));
}
