// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/prefill.hpp>

#include <ashlar/plan/catalog_models.hpp>

#include <initializer_list>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

TEST_CASE("a million tokens of Llama 405B are 4.9e18 FLOP") {
    // arXiv 2411.01783: 77 s on 128 H100; 2 405e9 T + 4 126 16384 T^2 / 2 counts the embedding as a product too
    const units::flop all = prefill_flop(catalog::llama31_405b, 1'000'000_tokens);
    CHECK(all.value == doctest::Approx(2 * 405e9 * 1e6 + 4.0 * 126 * 16384 * 1e12 / 2).epsilon(3e-3));
    CHECK(all.value / 77 / 128 / 1e12 == doctest::Approx(501).epsilon(3e-3));
}

TEST_CASE("pairs are what adding up token by token gives") {
    const reach kinds[] = {{}, {.window = 100, .ratio = 0}, {.top_k = 64}, {.window = 128, .ratio = 4, .top_k = 50}};
    for (const reach& r : kinds) {
        double sum = 0;
        for (int s = 0; s < 2000; ++s) {
            sum += (attended_tokens(r, units::token(s)).value + attended_tokens(r, units::token(s + 1.0)).value) / 2;
        }
        CHECK(attended_pairs(r, 2000) == doctest::Approx(sum).epsilon(1e-4));
    }
}

TEST_CASE("a prompt in two pieces is the prompt") {
    for (const model* m : {&catalog::deepseek_v32, &catalog::llama4_maverick, &catalog::minimax_m1}) {
        const units::flop whole = prefill_flop(*m, 30'000_tokens);
        const units::flop first = prefill_flop(*m, 10'000_tokens);
        const units::flop rest = prefill_flop(*m, 20'000_tokens, 10'000_tokens);
        CHECK((first + rest).value == doctest::Approx(whole.value).epsilon(1e-12));
    }
}

TEST_CASE("MLA unpacks its latents for a prompt: 192 elements of score and 128 of value a head") {
    const attention mix = mla({.query_heads = 128, .query_rank = 1536});
    const model layer{.hidden = 7168, .groups = {{1, mix, dense(18432)}}};
    const double n = 1000;
    const double once = n * (2 * attention_weights(mix, 7168) + ffn_flop(dense(18432), 7168).value);
    CHECK(prefill_flop(layer, 1000_tokens).value == doctest::Approx(2.0 * 128 * (192 + 128) * n * n / 2 + once));
}

TEST_CASE("an indexer scores every pair, whatever it keeps") {
    const reach all{.top_k = 0, .index_heads = 64, .index_dim = 128},
        few{.top_k = 10, .index_heads = 64, .index_dim = 128};
    const attention mix = mla({.query_heads = 128});
    const model dense_one{.hidden = 7168, .groups = {{1, mix, dense(1)}}};
    const model with_all{.hidden = 7168, .groups = {{1, sees(mix, all), dense(1)}}};
    const model with_few{.hidden = 7168, .groups = {{1, sees(mix, few), dense(1)}}};
    const double n = 1000, scores = 2.0 * 64 * 128 * n * n / 2;
    const double index = 2 * n * (attention_weights(sees(mix, all), 7168) - attention_weights(mix, 7168));
    CHECK((prefill_flop(with_all, 1000_tokens) - prefill_flop(dense_one, 1000_tokens)).value ==
          doctest::Approx(scores + index));
    CHECK((prefill_flop(with_all, 1000_tokens) - prefill_flop(with_few, 1000_tokens)).value ==
          doctest::Approx(2.0 * 128 * 320 * (n * n / 2 - (50 + 10 * (n - 10)))));
}

TEST_CASE("ten million tokens do not overflow") {
    constexpr units::flop all = prefill_flop(catalog::deepseek_v3, 10'000'000_tokens);
    static_assert(all.value > 1e20 && all.value < 1e24);
}
