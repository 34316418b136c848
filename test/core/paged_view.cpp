// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/paged_view.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <set>
#include <vector>

using namespace ashlar;

TEST_CASE("a logical page is found along the runs") {
    const std::array<block_run, 3> runs{{{10, 2}, {3, 1}, {20, 4}}};
    const paged_view<float> view{.runs = runs};
    const std::array<std::uint32_t, 7> expected{10, 11, 3, 20, 21, 22, 23};
    for (std::uint32_t i = 0; i < expected.size(); ++i) CHECK(view.block(i) == expected[i]);
    CHECK(view.block(7) == UINT32_MAX);
    CHECK(paged_view<float>{}.block(0) == UINT32_MAX);
}

TEST_CASE("strides lead to every element once, and to no other byte") {
    constexpr std::uint32_t blocks = 3, heads = 2, tokens = 4, dim = 5;
    std::vector<std::uint16_t> pool(blocks * 2 * heads * tokens * dim);
    const paged_view<std::uint16_t> view{
        .base = reinterpret_cast<std::byte*>(pool.data()),
        .block_stride = 2 * heads * tokens * dim * 2,
        .plane_stride = heads * tokens * dim * 2,
        .head_stride = tokens * dim * 2,
        .token_stride = dim * 2,
        .tokens_per_block = tokens,
        .head_count = heads,
        .head_dim = dim,
        .runs = {},
    };
    std::set<const std::uint16_t*> rows;
    for (std::uint32_t block = 0; block < blocks; ++block)
        for (plane p : {plane::key, plane::value})
            for (std::uint32_t head = 0; head < heads; ++head)
                for (std::uint32_t token = 0; token < tokens; ++token) rows.insert(view.at(block, p, head, token));
    CHECK(rows.size() == blocks * 2 * heads * tokens);
    CHECK(*rows.begin() == pool.data());
    CHECK(*rows.rbegin() + dim == pool.data() + pool.size());
    CHECK(view.at(1, plane::value, 1, 2) == pool.data() + 1 * 80 + 40 + 20 + 2 * 5);
}
