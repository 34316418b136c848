// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/layout.hpp>

#include <vector>

using namespace ashlar;

namespace {
// Every element of every layer through the view, every byte counted.
template <class Layout>
void covers_each_byte_once(kv::geometry shape) {
    using T = typename Layout::value_type;
    const Layout layout{.shape = shape};
    std::vector<std::byte> pool(layout.bytes());
    std::vector<int> seen(layout.bytes());
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
        const auto view = layout.view(pool.data(), layer_id{layer});
        for (std::uint32_t block = 0; block < shape.blocks; ++block) {
            const auto page = layout.page_offset(block_id{block}, layer_id{layer});
            for (int p = 0; p < 2; ++p)
                for (std::uint32_t head = 0; head < shape.kv_heads; ++head)
                    for (std::uint32_t token = 0; token < Layout::tokens_per_block; ++token) {
                        const auto* row = reinterpret_cast<std::byte*>(view.at(block, plane(p), head, token));
                        const auto offset = static_cast<std::size_t>(row - pool.data());
                        REQUIRE(offset >= page);
                        REQUIRE(offset + shape.head_dim * sizeof(T) <= page + layout.page_bytes());
                        for (std::size_t i = 0; i < shape.head_dim * sizeof(T); ++i) ++seen[offset + i];
                    }
        }
    }
    for (int n : seen) REQUIRE(n == 1);
}
} // namespace

TEST_CASE("a layout is a bijection from elements to bytes") {
    for (kv::geometry shape : {kv::geometry{3, 2, 4, 5}, {1, 1, 1, 1}, {2, 3, 8, 1}, {1, 4, 2, 7}}) {
        covers_each_byte_once<kv::block_first<f32, kv::tokens<4>>>(shape);
        covers_each_byte_once<kv::block_first<f16, kv::tokens<1>>>(shape);
        covers_each_byte_once<kv::block_first<bf16, kv::tokens<3>>>(shape);
        covers_each_byte_once<kv::layer_first<f32, kv::tokens<4>>>(shape);
        covers_each_byte_once<kv::layer_first<f16, kv::tokens<16>>>(shape);
    }
}

TEST_CASE("strides and offsets tell the same story") {
    constexpr kv::geometry shape{5, 2, 8, 9};
    constexpr kv::block_first<f16, kv::tokens<16>> by_block{shape};
    constexpr kv::layer_first<f16, kv::tokens<16>> by_layer{shape};
    static_assert(by_block.bytes() == by_layer.bytes());
    for (std::uint32_t b = 0; b < shape.blocks; ++b)
        for (std::uint32_t l = 0; l < shape.layers; ++l) {
            CHECK(by_block.page_offset({b}, {l}) == b * by_block.strides().block + l * by_block.strides().layer);
            CHECK(by_layer.page_offset({b}, {l}) == b * by_layer.strides().block + l * by_layer.strides().layer);
        }
}

TEST_CASE("SmolLM2's page has the size that its model card implies") {
    constexpr kv::block_first<f16, kv::tokens<16>> layout{{.layers = 30, .kv_heads = 3, .head_dim = 64, .blocks = 10}};
    static_assert(layout.page_bytes() == 12'288);
    static_assert(layout.bytes() == 10u * 30 * 12'288);
}

TEST_CASE("the hash differs in whatever two pools must share, and in nothing else") {
    constexpr kv::geometry shape{4, 2, 8, 9};
    constexpr auto reference = kv::block_first<f16, kv::tokens<16>>{shape}.hash();
    CHECK(reference == kv::layer_first<f16, kv::tokens<16>>{shape}.hash());
    CHECK(reference == kv::block_first<f16, kv::tokens<16>>{{4, 2, 8, 77}}.hash());
    CHECK_FALSE(reference == kv::block_first<bf16, kv::tokens<16>>{shape}.hash());
    CHECK_FALSE(reference == kv::block_first<scaled16, kv::tokens<16>>{shape}.hash());
    CHECK_FALSE(reference == kv::block_first<f32, kv::tokens<16>>{shape}.hash());
    CHECK_FALSE(reference == kv::block_first<f16, kv::tokens<8>>{shape}.hash());
    CHECK_FALSE(reference == kv::block_first<f16, kv::tokens<16>>{{5, 2, 8, 9}}.hash());
    CHECK_FALSE(reference == kv::block_first<f16, kv::tokens<16>>{{4, 8, 2, 9}}.hash());
}

TEST_CASE("chunks of any size complete every block of a prompt once") {
    for (std::uint64_t prompt : {1u, 15u, 16u, 17u, 100u, 128u})
        for (std::uint64_t chunk : {1u, 7u, 16u, 64u, 1000u}) {
            std::uint32_t next = 0;
            for (std::uint64_t at = 0; at < prompt; at += chunk) {
                const auto size = at + chunk < prompt ? chunk : prompt - at;
                const auto range = kv::blocks_completed(at, size, prompt, 16);
                if (range.count == 0) continue;
                CHECK(range.first == next);
                next += range.count;
            }
            CHECK(next == kv::blocks_for(prompt, 16));
        }
}
