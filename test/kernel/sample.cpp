// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ashlar/kernel/sample.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

TEST_CASE("greedy takes the highest logit, the lowest id of a tie, and no NaN") {
    const float logits[] = {1, 3, 3, -INFINITY}, odd[] = {each::poison, -5, each::poison, -4};
    CHECK(k::greedy(logits) == 1);
    CHECK(k::greedy(odd) == 3);
    const float nothing[] = {each::poison, each::poison}, masked[] = {each::poison, -INFINITY};
    CHECK(k::greedy(nothing) == 0);
    CHECK(k::greedy(masked) == 1);
    for (const std::size_t n : {1u, 15u, 16u, 17u, 100u}) {
        std::vector<float> below(n, -5.0f); // no zero may come from beyond the end
        below[n - 1] = -4;
        each::kernel([&]<class K>() { CHECK(k::greedy<K>(below) == static_cast<al::token_id>(n - 1)); });
    }
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

// What may be drawn, by sorting everything: temperature, then top-k and min-p, then top-p.
std::vector<al::token_id> kept_by_sorting(const std::vector<float>& logits, const k::sampling& how) {
    std::vector<al::token_id> order(logits.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<al::token_id>(i);
    const auto logit = [&](al::token_id t) { return logits[static_cast<std::size_t>(t)]; };
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logit(a) > logit(b); });
    const auto weight = [&](al::token_id t) {
        return std::exp((double(logit(t)) - logit(order[0])) / how.temperature);
    };
    if (how.top_k) order.resize(std::min<std::size_t>(how.top_k, order.size()));
    while (weight(order.back()) < how.min_p) order.pop_back();
    double total = 0, sum = 0;
    for (const auto t : order) total += weight(t);
    std::size_t count = 0;
    do sum += weight(order[count++]);
    while (count < order.size() && sum < how.top_p * total);
    order.resize(how.top_p < 1 ? count : order.size());
    return order;
}

TEST_CASE("what is left of large vocabularies is what sorting them leaves") {
    for (const std::size_t vocabulary : {64u, 1000u, 20'011u}) {
        k::sample_scratch room(vocabulary);
        for (const float spread : {3.0f, 12.0f}) {
            auto logits = each::numbers(vocabulary, vocabulary, spread);
            for (std::size_t i = 0; i + 7 < vocabulary; i += 7) logits[i + 3] = logits[i]; // ties
            for (const std::uint32_t top_k : {0u, 1u, 5u, 40u, 900u}) {
                for (const float top_p : {1.0f, 0.9f, 0.35f}) {
                    for (const float min_p : {0.0f, 0.11f}) {
                        const k::sampling how{1.1f, top_k, top_p, min_p, 3};
                        auto left = kept_by_sorting(logits, how);
                        std::sort(left.begin(), left.end());
                        std::set<al::token_id> drawn;
                        for (std::uint32_t p = 0; p < 300; ++p) drawn.insert(k::sample(logits, how, p, room));
                        CAPTURE(vocabulary);
                        CAPTURE(spread);
                        CAPTURE(top_k);
                        CAPTURE(top_p);
                        CAPTURE(min_p);
                        CHECK(std::includes(left.begin(), left.end(), drawn.begin(), drawn.end()));
                        if (left.size() <= 5) CHECK(drawn.size() >= left.size() - 1); // the last may be unlikely
                    }
                }
            }
        }
    }
}

TEST_CASE("NaN and minus infinity are never drawn") {
    auto logits = each::numbers(300, 2, 3);
    for (std::size_t i = 0; i < 300; i += 2) logits[i] = i % 4 ? each::poison : -INFINITY;
    k::sample_scratch room(300);
    for (const auto& how : {k::sampling{1, 0, 1, 0, 1}, k::sampling{1, 200, 1, 0, 2}, k::sampling{9, 0, 0.99f, 0, 3},
                            k::sampling{9, 0, 1, 1e-30f, 4}}) {
        for (std::uint32_t p = 0; p < 500; ++p)
            REQUIRE(std::isfinite(logits[std::size_t(k::sample(logits, how, p, room))]));
    }
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
