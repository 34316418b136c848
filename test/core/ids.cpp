// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/ids.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <type_traits>

using namespace ashlar;

TEST_CASE("ids of one kind compare and order by their value") {
    CHECK(block_id{7} == block_id{7});
    CHECK(block_id{7} != block_id{8});
    CHECK(block_id{7} < block_id{8});
    CHECK(block_id{} == block_id{0});
}

TEST_CASE("ids of two kinds do not mix") {
    static_assert(!std::equality_comparable_with<block_id, layer_id>);
    static_assert(!std::is_convertible_v<block_id, layer_id>);
    static_assert(!std::is_convertible_v<std::uint32_t, block_id>);
    static_assert(!std::is_convertible_v<block_id, std::uint32_t>);
}

TEST_CASE("an id is as large as its number and can be sent as bytes") {
    static_assert(sizeof(request_id) == 8 && sizeof(epoch_id) == 8 && sizeof(block_id) == 4);
    static_assert(std::is_trivially_copyable_v<request_id>);
    static_assert(std::is_trivially_copyable_v<block_run> && sizeof(block_run) == 8);
}
