// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window_memory.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::fabric;

TEST_CASE("a region is shown while it is registered, under a key of its own, and only inside what was allocated") {
    std::vector<std::uint64_t> block(64);
    auto* base = reinterpret_cast<std::byte*>(block.data());
    window_memory mine(2, base);
    const auto bytes = mine.allocate(4096);
    REQUIRE(bytes);
    const auto r = mine.publish({bytes->data() + 96, 1000, memory_kind::host});
    REQUIRE(r);
    CHECK(window_layout::region(base, 0).key.load_acquire() == r->remote.key);
    CHECK(window_layout::region(base, 0).offset.load_acquire() == 96);
    CHECK(window_layout::region(base, 0).size.load_acquire() == 1000);
    CHECK(mine.publish({bytes->data() + 4000, 97, memory_kind::host}).error().code == errc::unsupported);
    CHECK(mine.publish({base, 8, memory_kind::host}).error().code == errc::unsupported);
    REQUIRE(mine.publish({bytes->data(), 8, memory_kind::host}));
    CHECK(mine.publish({bytes->data(), 8, memory_kind::host}).error().code == errc::exhausted);
    CHECK(mine.withdraw(*r));
    CHECK(mine.withdraw(*r).error().code == errc::not_found);
    CHECK(window_layout::region(base, 0).key.load_acquire() == 0);
    const auto again = mine.publish({bytes->data(), 8, memory_kind::host});
    REQUIRE(again);
    CHECK(again->remote.key != r->remote.key);
    CHECK(mine.free(*bytes)); // with what is registered inside
    CHECK(window_layout::region(base, 0).key.load_acquire() == 0);
    CHECK(window_layout::region(base, 1).key.load_acquire() == 0);
    CHECK(mine.free(*bytes).error().code == errc::not_found);
}
