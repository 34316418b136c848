// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/block_table.hpp>
#include <ashlar/kv/plan.hpp>

#include <map>
#include <numeric>
#include <vector>

using namespace ashlar;

namespace {
constexpr kv::geometry shape{.layers = 4, .kv_heads = 1, .head_dim = 2, .blocks = 50};
constexpr kv::block_first<f16, kv::tokens<2>> by_block{shape};
constexpr kv::layer_first<f16, kv::tokens<2>> by_layer{shape};

std::vector<block_run> random_runs(random_stream& random, std::uint32_t blocks) {
    std::vector<std::uint32_t> ids(shape.blocks);
    std::iota(ids.begin(), ids.end(), 0u);
    for (int swaps = static_cast<int>(random.below(30)); swaps-- > 0;) {
        std::swap(ids[random.below(ids.size())], ids[random.below(ids.size())]);
    }
    std::vector<block_run> storage(blocks);
    kv::block_table table(storage);
    for (std::uint32_t i = 0; i < blocks; ++i) REQUIRE(table.push({ids[i], 1}));
    storage.resize(table.runs().size());
    return storage;
}
std::uint32_t page_of(const std::vector<block_run>& runs, std::uint32_t block) {
    return kv::run_cursor(runs, block).page();
}
} // namespace

TEST_CASE("a plan covers every needed byte once, from its place to its place, with few descriptors") {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        random_stream random{.seed = seed};
        const bool from_block_first = random.chance(0.5f), to_block_first = random.chance(0.5f);
        const auto offset_in = [](bool first, std::uint32_t block, std::uint32_t layer) {
            return first ? by_block.page_offset({block}, {layer}) : by_layer.page_offset({block}, {layer});
        };
        const std::uint32_t skipped = static_cast<std::uint32_t>(random.below(5)); // the target lacks the first blocks
        const std::uint32_t blocks = 1 + static_cast<std::uint32_t>(random.below(30));
        const auto here = random_runs(random, skipped + blocks), there = random_runs(random, blocks);
        const kv::layer_range layers{static_cast<std::uint32_t>(random.below(4)), 0};
        const kv::layer_range some{layers.first, 1 + static_cast<std::uint32_t>(random.below(4 - layers.first))};
        const std::uint32_t first = static_cast<std::uint32_t>(random.below(blocks));
        const kv::block_range range{skipped + first, 1 + static_cast<std::uint32_t>(random.below(blocks - first))};

        std::map<std::uint64_t, std::uint64_t> moved; // source byte -> target byte
        std::size_t descriptors = 0;
        const auto planned = kv::plan(
            {from_block_first ? by_block.strides() : by_layer.strides(), here, 0},
            {to_block_first ? by_block.strides() : by_layer.strides(), there, skipped}, by_block.page_bytes(), some,
            range, [&](const kv::strided& d) {
                ++descriptors;
                for (std::uint64_t i = 0; i < d.count; ++i)
                    for (std::uint64_t b = 0; b < d.bytes; ++b)
                        REQUIRE(moved.emplace(d.source + i * d.source_stride + b, d.target + i * d.target_stride + b)
                                    .second);
            });
        CHECK(planned == range.count);
        CHECK(moved.size() == std::size_t{range.count} * some.count * by_block.page_bytes());
        std::size_t runs = 1;
        for (std::uint32_t k = 0; k < range.count; ++k) {
            const std::uint32_t block = range.first + k;
            if (k && (page_of(here, block) != page_of(here, block - 1) + 1 ||
                      page_of(there, block - skipped) != page_of(there, block - 1 - skipped) + 1)) {
                ++runs;
            }
            for (std::uint32_t l = some.first; l < some.first + some.count; ++l) {
                const auto source = offset_in(from_block_first, page_of(here, block), l);
                const auto target = offset_in(to_block_first, page_of(there, block - skipped), l);
                for (std::size_t b = 0; b < by_block.page_bytes(); ++b) REQUIRE(moved.at(source + b) == target + b);
            }
        }
        CHECK(descriptors <= runs * (from_block_first == to_block_first ? 1 : some.count));
    }
}

TEST_CASE("what chains is folded into one piece") {
    const std::vector<block_run> here{{3, 5}}, there{{9, 5}};
    std::vector<kv::strided> out;
    const auto add = [&](const kv::strided& d) { out.push_back(d); };
    const auto page = by_block.page_bytes();
    kv::plan({by_block.strides(), here, 0}, {by_block.strides(), there, 0}, page, {0, 4}, {0, 5}, add);
    kv::plan({by_block.strides(), here, 0}, {by_block.strides(), there, 0}, page, {2, 1}, {0, 5}, add);
    kv::plan({by_layer.strides(), here, 0}, {by_layer.strides(), there, 0}, page, {2, 1}, {0, 5}, add);
    REQUIRE(out.size() == 3);
    CHECK(out[0] == kv::strided{12 * page, 36 * page, 20 * page, 1, 0, 0});
    CHECK(out[1] == kv::strided{14 * page, 38 * page, page, 5, 4 * page, 4 * page});
    CHECK(out[2] == kv::strided{103 * page, 109 * page, 5 * page, 1, 0, 0});
}

TEST_CASE("a callback that says no stops the plan") {
    const std::vector<block_run> here{{0, 1}, {5, 1}, {9, 1}}, there{{1, 3}};
    int seen = 0;
    const auto planned = kv::plan({by_block.strides(), here, 0}, {by_block.strides(), there, 0}, by_block.page_bytes(),
                                  {0, 1}, {0, 3}, [&](const kv::strided&) { return ++seen < 2; });
    CHECK(seen == 2);
    CHECK(planned == 1);
}
