// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include <ashlar/kernel/sample.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

TEST_CASE("greedy takes the highest logit, the lowest id of a tie, and no NaN") {
    const float logits[] = {1, 3, 3, -INFINITY}, odd[] = {each::poison, -5, each::poison, -4};
    CHECK(k::greedy(logits) == 1);
    CHECK(k::greedy(odd) == 3);
    k::sample_scratch room(4);
    CHECK(k::sample(logits, {.temperature = 0, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 9}, 3, room) == 1);
}

TEST_CASE("a draw depends on seed and position, and on nothing that was drawn before") {
    const auto logits = each::numbers(500, 1, 4);
    k::sample_scratch room(500), fresh(500);
    const k::sampling how{.temperature = 1, .top_k = 50, .top_p = 0.9f, .min_p = 0, .seed = 42};
    std::vector<al::token_id> forward, backward(64);
    for (std::uint32_t p = 0; p < 64; ++p) forward.push_back(k::sample(logits, how, p, room));
    for (std::uint32_t p = 64; p-- > 0;) backward[p] = k::sample(logits, how, p, fresh);
    CHECK(forward == backward);
    auto other = how;
    other.seed = 43;
    std::vector<al::token_id> shifted;
    for (std::uint32_t p = 0; p < 64; ++p) shifted.push_back(k::sample(logits, other, p, room));
    CHECK(shifted != forward);
}

TEST_CASE("all processors draw the same tokens") {
    const auto logits = each::numbers(333, 4, 6);
    for (const auto& how : {k::sampling{0.7f, 0, 1, 0, 1}, k::sampling{1, 20, 1, 0, 2},
                            k::sampling{1.5f, 0, 0.8f, 0, 3}, k::sampling{1.2f, 60, 0.9f, 0.02f, 4}}) {
        for (std::uint32_t p = 0; p < 50; ++p) {
            k::sample_scratch room(333);
            const auto expected = k::sample<k::portable>(logits, how, p, room);
            each::kernel([&]<class K>() { REQUIRE(k::sample<K>(logits, how, p, room) == expected); });
        }
    }
}

TEST_CASE("frequencies follow the softmax at the temperature") {
    const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
    k::sample_scratch room(3);
    double count[3] = {};
    constexpr int draws = 20'000;
    for (std::uint32_t p = 0; p < draws; ++p) ++count[k::sample(logits, {1, 0, 1, 0, 7}, p, room)];
    CHECK(std::abs(count[0] / draws - 1.0 / 8) < 0.01);
    CHECK(std::abs(count[1] / draws - 2.0 / 8) < 0.01);
    CHECK(std::abs(count[2] / draws - 5.0 / 8) < 0.01);
    count[0] = count[1] = count[2] = 0;
    for (std::uint32_t p = 0; p < draws; ++p) ++count[k::sample(logits, {0.5f, 0, 1, 0, 7}, p, room)];
    CHECK(std::abs(count[2] / draws - 25.0 / 30) < 0.01);
}

TEST_CASE("top-k, min-p and top-p leave exactly their tokens") {
    const std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};
    k::sample_scratch room(4);
    const auto seen = [&](k::sampling how) {
        std::map<al::token_id, int> tokens;
        for (std::uint32_t p = 0; p < 2000; ++p) ++tokens[k::sample(logits, how, p, room)];
        std::vector<al::token_id> ids;
        for (const auto& [id, n] : tokens) ids.push_back(id);
        return ids;
    };
    CHECK(seen({1, 2, 1, 0, 5}) == std::vector<al::token_id>{1, 3});
    CHECK(seen({1, 0, 0.65f, 0, 5}) == std::vector<al::token_id>{1, 3});
    CHECK(seen({1, 0, 0.75f, 0, 5}) == std::vector<al::token_id>{1, 2, 3});
    CHECK(seen({1, 3, 0.5f, 0, 5}) == std::vector<al::token_id>{1, 3}); // 0.4 / 0.9 < 0.5: top-p after top-k
    CHECK(seen({1, 0, 0, 0, 5}) == std::vector<al::token_id>{1});
    CHECK(seen({1, 1, 1, 0, 5}) == std::vector<al::token_id>{1});
    CHECK(seen({1, 0, 1, 0.6f, 5}) == std::vector<al::token_id>{1, 3});    // 0.6 * 0.4 = 0.24
    CHECK(seen({2, 0, 1, 0.6f, 5}) == std::vector<al::token_id>{1, 2, 3}); // sqrt(0.5) > 0.6: after the temperature
    CHECK(seen({1, 0, 1, 1, 5}) == std::vector<al::token_id>{1});
    for (const float top_p : {0.0f, 0.9f, 1.0f}) CHECK(seen({1, 0, top_p, 2, 5}) == std::vector<al::token_id>{1});
    CHECK(seen({1, 3, 1, 0.2f, 5}) == std::vector<al::token_id>{1, 2, 3});
    CHECK(seen({1, 0, 0.5f, 0.6f, 5}) == std::vector<al::token_id>{1}); // 0.4 / 0.7 > 0.5: top-p after min-p
    CHECK(seen({1, 99, 1, 0, 5}) == std::vector<al::token_id>{0, 1, 2, 3});
}

TEST_CASE("log-probabilities sum to one and come likeliest first") {
    auto logits = each::numbers(1000, 11, 9);
    logits[7] = logits[400] = 20;
    const float sum = k::log_sum_exp(logits);
    double total = 0;
    for (const float l : logits) total += std::exp(double(l) - sum);
    CHECK(total == doctest::Approx(1).epsilon(1e-5));
    k::token_logprob top[5];
    REQUIRE(k::top_logprobs(logits, sum, top) == 5);
    CHECK(top[0].token == 7);
    CHECK(top[1].token == 400);
    CHECK(top[0].logprob == doctest::Approx(20 - sum));
    for (int i = 1; i < 5; ++i) CHECK(top[i - 1].logprob >= top[i].logprob);
    k::token_logprob all[8];
    CHECK(k::top_logprobs(std::span(logits).first(3), sum, all) == 3);
    CHECK(k::top_logprobs(logits, sum, {}) == 0);
}
