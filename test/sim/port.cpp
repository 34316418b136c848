// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/port.hpp>

#include <doctest/doctest.h>

using namespace ashlar;

TEST_CASE("the pieces of a flight cover it without a gap") {
    for (std::size_t size : {0u, 1u, 3u, 4096u}) {
        for (std::uint32_t pieces : {1u, 2u, 4u, 7u}) {
            sim::flight f;
            f.size = size;
            f.pieces = pieces;
            CHECK(f.piece_begin(0) == 0);
            CHECK(f.piece_begin(pieces) == size);
            for (std::uint32_t i = 0; i < pieces; ++i) CHECK(f.piece_begin(i) <= f.piece_begin(i + 1));
        }
    }
}

TEST_CASE("a port finds registered memory by its key only") {
    sim::port p;
    p.regions = fixed_array<sim::port::entry>(2);
    std::byte bytes[8];
    p.regions[1] = {{bytes, 8, fabric::memory_kind::host}, 5u << 16 | 1};
    CHECK(p.find_memory(5u << 16 | 1)->data == bytes);
    CHECK(p.find_memory(4u << 16 | 1) == nullptr); // an earlier registration in the same place
    CHECK(p.find_memory(5u << 16 | 7) == nullptr);
    CHECK(p.find_memory(0) == nullptr);
}
