// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/model.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr model small{.name = "small",
                      .hidden = 1024,
                      .vocabulary = 1000,
                      .groups = {{2, gqa({8, 2, 64}), dense(4096)},
                                 {6, windowed(gqa({8, 2, 64}), 512), moe({16, 2, 1, 1024})},
                                 {1, recurrent({8, 8, 64, 64}), moe({16, 2, 1, 1024})}}};

template <model M>
struct deployment {
    static constexpr int layers = M.layers();
};
} // namespace

TEST_CASE("a model is groups of layers, and can be a template argument") {
    static_assert(deployment<small>::layers == 9);
    CHECK(small.moe_layers() == 7);
    CHECK(&small.main_group() == &small.groups[1]);
    CHECK(well_formed(small));
}

TEST_CASE("work and memory are sums over the groups") {
    const work w = work_per_token(small, 4096_tokens);
    const attention full = small.groups[0].mix, near = small.groups[1].mix, state = small.groups[2].mix;
    CHECK(w.core ==
          core_flop(full, 4096_tokens) * 2 + core_flop(near, 4096_tokens) * 6 + core_flop(state, 4096_tokens));
    CHECK(w.head.value == 2.0 * 1000 * 1024);
    CHECK(w.total() == w.core + w.linear + w.feed + w.head);
    CHECK(kv_bytes(small, 4096_tokens) ==
          kv_bytes(full, 4096_tokens) * 2 + kv_bytes(near, 4096_tokens) * 6 + kv_bytes(state, 4096_tokens));
}

TEST_CASE("weights: all, those that a token visits, and tables") {
    const weights w = count_weights(small);
    CHECK(w.ffn == 2 * ffn_weights(small.groups[0].feed, 1024) + 7 * ffn_weights(small.groups[1].feed, 1024));
    CHECK(w.ffn_active == 2.0 * 3 * 1024 * 4096 + 7.0 * 3 * 1024 * 1024 * 3);
    CHECK(w.embedding == 1000.0 * 1024);
    CHECK(w.head == w.embedding);
    model tied = small;
    tied.tied = true;
    CHECK(count_weights(tied).total() == w.total() - w.head);
}

TEST_CASE("with_kv changes caches and leaves states alone") {
    const model wide = with_kv(small, stored::bf16);
    CHECK(wide.groups[0].mix.kv == stored::bf16);
    CHECK(wide.groups[2].mix.kv == stored::fp32);
    CHECK(kv_bytes(wide, 4096_tokens) - kv_bytes(wide.groups[2].mix, 4096_tokens) ==
          2 * (kv_bytes(small, 4096_tokens) - kv_bytes(small.groups[2].mix, 4096_tokens)));
}

TEST_CASE("models that make no sense are not well formed") {
    CHECK_FALSE(well_formed(model{}));
    model bad = small;
    bad.groups[1].feed.active = 17;
    CHECK_FALSE(well_formed(bad));
    bad = small, bad.groups[0].mix.kv_heads = 0;
    CHECK_FALSE(well_formed(bad));
    bad = small, bad.groups[2].count = -1;
    CHECK_FALSE(well_formed(bad));
    bad = small, bad.hidden = 0;
    CHECK_FALSE(well_formed(bad));
}
