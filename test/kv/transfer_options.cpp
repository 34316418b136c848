// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/transfer_options.hpp>

#include <type_traits>

using namespace ashlar;

TEST_CASE("options, events and counters are plain values, and counters begin at nothing") {
    static_assert(std::is_trivially_copyable_v<kv::mover_options> && std::is_aggregate_v<kv::mover_options>);
    static_assert(std::is_trivially_copyable_v<kv::transfer_event> && std::is_trivially_copyable_v<kv::mover_counters>);
    CHECK(kv::mover_counters{}.checksum_failures == 0);
    CHECK_FALSE(kv::transfer_event{}.ok);
}
