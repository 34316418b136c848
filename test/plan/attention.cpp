// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/attention.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr attention latent = mla({.query_heads = 128, .query_rank = 1536});
constexpr attention grouped = gqa({64, 4, 128});
constexpr units::token k8 = 8192_tokens, k32 = 32768_tokens;

template <attention A>
constexpr double elements = kv_elements(A);
} // namespace

TEST_CASE("what is cached a token follows from the heads") {
    CHECK(kv_elements(grouped) == 2 * 4 * 128);
    CHECK(kv_elements(latent) == 512 + 64);
    CHECK(kv_elements(mfa({64, 256, 2048})) == 512);
    CHECK(elements<latent> == 576); // structural
    CHECK(kv_bytes(gqa({64, 4, 128}, stored::bf16), k8) == 2 * kv_bytes(grouped, k8));
}

TEST_CASE("MLA's core is counted exactly, or as the Step-3 report counts it") {
    CHECK(core_flop(latent, k8) == units::flop(2.0 * 128 * (2 * 512 + 64) * 8192));
    CHECK(core_flop(latent, k8, convention::step3) == units::flop(4.0 * 128 * 576 * 8192));
    CHECK(core_flop(grouped, k8) == core_flop(grouped, k8, convention::step3));
    CHECK(intensity(latent, k8).value == doctest::Approx(483.6).epsilon(1e-4));
    CHECK(intensity(latent, k8, convention::step3).value == 512);
    CHECK(intensity(latent, k8, convention::step3) == intensity(latent, k32, convention::step3));
}

TEST_CASE("projections: a low-rank query, absorbed latents, a grouped output") {
    const double h = 7168;
    CHECK(attention_weights(grouped, 4096) == 2.0 * 4096 * 64 * 128 + 2.0 * 4096 * 4 * 128);
    CHECK(attention_weights(mfa({64, 256, 2048}), 7168) == h * 2048 + 2048.0 * 64 * 256 + h * 512 + 64.0 * 256 * h);
    CHECK(attention_weights(latent, 7168) ==
          h * 1536 + 1536.0 * 128 * 192 + h * 576 + 2.0 * 128 * 128 * 512 + 128.0 * 128 * h);
    attention cut = mfa({64, 256, 2048});
    cut.output_rank = 1024, cut.output_groups = 16;
    CHECK(attention_weights(mfa({64, 256, 2048}), 7168) - attention_weights(cut, 7168) ==
          64.0 * 256 * h - (64.0 * 256 * 1024 + 16.0 * 1024 * h));
}

TEST_CASE("a window bounds what is cached, read and computed") {
    const attention near = windowed(grouped, 8192);
    CHECK(kv_bytes(near, k8) == kv_bytes(grouped, k8));
    CHECK(kv_bytes(near, k32) == kv_bytes(grouped, k8));
    CHECK(core_flop(near, k32) == core_flop(grouped, k8));
    CHECK(kv_bytes(near, 100_tokens) == kv_bytes(grouped, 100_tokens));
}

TEST_CASE("top-k reads few, keeps all, and pays for the index") {
    const attention sparse = sees(latent, {.top_k = 2048, .index_heads = 64, .index_dim = 128});
    CHECK(kv_bytes(sparse, k8) == stored::fp8.of(576.0 * 8192) + units::byte(132.0 * 8192));
    CHECK(kv_traffic(sparse, k8) == stored::fp8.of(576.0 * 2048) + units::byte(132.0 * 8192));
    CHECK(core_flop(sparse, k8).value == 2.0 * 128 * 1088 * 2048 + 2.0 * 64 * 128 * 8192);
    CHECK(core_flop(sparse, 1024_tokens).value == 2.0 * 128 * 1088 * 1024 + 2.0 * 64 * 128 * 1024);
    CHECK(attention_weights(sparse, 7168) - attention_weights(latent, 7168) == 1536.0 * 64 * 128 + 7168.0 * (128 + 64));
}

TEST_CASE("a compressed context is kept and read by its ratio, beside the last tokens") {
    const attention far = sees(grouped, {.window = 128, .ratio = 4, .top_k = 1024});
    CHECK(cached_tokens(far.sees, k8) == 2176_tokens);
    CHECK(attended_tokens(far.sees, k8) == 1152_tokens);
    CHECK(attended_tokens(far.sees, 1024_tokens) == 384_tokens);
}

TEST_CASE("a recurrent state does not grow, and is read and written") {
    const attention lightning = recurrent({64, 64, 128, 128});
    CHECK(kv_bytes(lightning, k8) == kv_bytes(lightning, k32));
    CHECK(kv_traffic(lightning, k8) == 2 * kv_bytes(lightning, k8));
    CHECK(kv_bytes(lightning, k8) == units::byte(64.0 * 128 * 128 * 4));
    CHECK(attention_weights(lightning, 6144) == 5.0 * 6144 * 64 * 128);
    CHECK(attention_weights(recurrent({16, 32, 128, 128}), 2048) == 2048.0 * (2 * 16 * 128 + 3 * 32 * 128));
}

TEST_CASE("ten million tokens do not overflow") {
    constexpr units::token far = 10'000'000_tokens;
    static_assert(core_flop(latent, far).value == 2.0 * 128 * 1088 * 1e7);
    static_assert(kv_bytes(latent, far).value == 576e7);
    CHECK(core_flop(mla({.query_heads = 1 << 20}), far).value == 2.0 * (1 << 20) * 1088 * 1e7);
}
