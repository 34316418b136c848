// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include <ashlar/kernel/penalties.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

namespace {

std::vector<float> penalised(std::vector<float> logits, k::penalties how, std::vector<al::token_id> tokens,
                             std::size_t prompt) {
    k::penalty_scratch room(logits.size());
    k::penalise(logits, how, tokens, prompt, room);
    return logits;
}

} // namespace

TEST_CASE("repetition looks at the prompt and the answer, once a token, whatever its logit's sign") {
    const std::vector<float> logits = {3, -3, 0, 6, 5};
    CHECK(penalised(logits, {1.5f, 0, 0}, {0, 1, 2, 0}, 2) == std::vector<float>{2, -4.5f, 0, 6, 5});
    CHECK(penalised(logits, {0.5f, 0, 0}, {3}, 0) == std::vector<float>{3, -3, 0, 12, 5});
}

TEST_CASE("frequency and presence look at the answer only") {
    const std::vector<float> logits = {3, -3, 0, 6, 5};
    CHECK(penalised(logits, {1, 0.5f, 0}, {0, 0, 0, 1, 1, 4}, 3) == std::vector<float>{3, -4, 0, 6, 4.5f});
    CHECK(penalised(logits, {1, 0, 0.25f}, {0, 0, 0, 1, 1, 4}, 3) == std::vector<float>{3, -3.25f, 0, 6, 4.75f});
    CHECK(penalised(logits, {2, -1, -2}, {3, 3}, 1) == std::vector<float>{3, -3, 0, 6, 5}); // 6 / 2 + 1 + 2
    CHECK(penalised(logits, {1, 2, 2}, {0, 1}, 2) == logits);
    CHECK(penalised(logits, {1, 2, 2}, {0, 1}, 9) == logits); // all of it is prompt
}

TEST_CASE("what was penalised before leaves no trace, and neither does the way there") {
    const auto logits = each::numbers(300, 5, 8);
    const k::penalties how{1.3f, 0.7f, 0.4f};
    std::vector<al::token_id> tokens;
    k::penalty_scratch used(300);
    for (std::uint32_t i = 0; i < 200; ++i) { // step by step, as an engine does
        tokens.push_back(static_cast<al::token_id>(al::mix(9, i) % 40));
        auto step = logits;
        k::penalise(step, how, tokens, 20, used);
        if (i % 50 == 49) CHECK(each::same_bits(step, penalised(logits, how, tokens, 20))); // as one that takes over
    }
    for (const auto left : used.seen()) REQUIRE(left == 0);
}

TEST_CASE("biases add up; a suppressed token stays out, whatever else is done to it") {
    std::vector<float> logits = {1, 2, 3};
    k::add_biases(logits, std::array<k::token_bias, 5>{{{0, -100}, {2, 0.5f}, {2, 0.25f}, {7, 9}, {-1, 9}}});
    CHECK(logits == std::vector<float>{-99, 2, 3.75f});
    k::suppress(logits, std::array<al::token_id, 3>{1, 40, -2});
    k::add_biases(logits, std::array<k::token_bias, 1>{{{1, 100}}});
    CHECK(penalised(logits, {0.5f, -2, -2}, {1, 1, 99, -5}, 0)[1] == -INFINITY);
}

TEST_CASE("neutral penalties are none") {
    CHECK_FALSE(k::penalties{1, 0, 0}.any());
    CHECK(k::penalties{1.1f, 0, 0}.any());
    CHECK(k::penalties{1, -0.1f, 0}.any());
    CHECK(k::penalties{1, 0, 0.1f}.any());
    const auto logits = each::numbers(50, 6, 8);
    CHECK(each::same_bits(penalised(logits, {1, 0, 0}, {1, 2, 3, 3}, 1), logits));
}
