// SPDX-License-Identifier: Apache-2.0
// What a request does to the logits before a token is drawn: biases on single tokens, and penalties on what its prompt
// and its answer hold already. All state is the request's own tokens: whoever takes a request over, after a failure
// too, goes on with the same bits, and nothing but the request's tokens can show in them.
//
//     penalty_scratch room(vocabulary);
//     const penalties how{.repetition = 1.1f, .frequency = 0.2f, .presence = 0};
//     if (how.any()) penalise(logits, how, tokens, prompt_tokens, room);   // then sample(logits, ...)
//
// Order, as in vLLM: biases, then for each token repetition, frequency, presence. Costs O(tokens), whatever the
// vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>

namespace ashlar::inline v0::kernel {

struct token_bias {
    token_id token;
    float bias; // added to the token's logit
};

struct penalties {
    // > 0; 1: none. A token of the prompt or the answer: a positive logit is divided by it, another one multiplied.
    // Keskar et al., CTRL (arXiv 1909.05858), section 4.1; transformers' RepetitionPenaltyLogitsProcessor.
    float repetition;
    // 0: none. A token that the answer has c > 0 times loses c * frequency + presence. OpenAI's API reference.
    float frequency;
    float presence;

    constexpr bool any() const { return repetition != 1 || frequency != 0 || presence != 0; }
};

// Memory of one caller; not shared between threads. All zero between two calls.
class penalty_scratch {
public:
    explicit penalty_scratch(std::size_t vocabulary) : seen_(vocabulary) {}
    std::span<std::uint32_t> seen() { return {seen_.data(), seen_.size()}; }

private:
    fixed_array<std::uint32_t> seen_;
};

// Tokens that the logits do not have are passed over, here and below: a vocabulary may be padded.
inline void add_biases(std::span<float> logits, std::span<const token_bias> biases) {
    for (const token_bias& each : biases) {
        if (each.token >= 0 && static_cast<std::size_t>(each.token) < logits.size())
            logits[static_cast<std::size_t>(each.token)] += each.bias;
    }
}

// Tokens that must not be drawn: their logits become -infinity, which neither a bias nor a penalty changes.
inline void suppress(std::span<float> logits, std::span<const token_id> tokens) {
    for (const token_id each : tokens) {
        if (each >= 0 && static_cast<std::size_t>(each) < logits.size())
            logits[static_cast<std::size_t>(each)] = -std::numeric_limits<float>::infinity();
    }
}

// `tokens`: the prompt, then the answer so far. `room`: of at least logits.size().
inline void penalise(std::span<float> logits, const penalties& how, std::span<const token_id> tokens,
                     std::size_t prompt_tokens, penalty_scratch& room) {
    const auto seen = room.seen();
    ASHLAR_ASSERT(logits.size() <= seen.size());
    ASHLAR_ASSERT(how.repetition > 0);
    const auto known = [&](token_id each) { return each >= 0 && static_cast<std::size_t>(each) < logits.size(); };
    // One more than how often the answer has it; 0 when it has been dealt with.
    for (const token_id each : tokens) {
        if (known(each)) seen[static_cast<std::size_t>(each)] = 1;
    }
    for (std::size_t i = prompt_tokens; i < tokens.size(); ++i) {
        if (known(tokens[i])) ++seen[static_cast<std::size_t>(tokens[i])];
    }
    for (const token_id each : tokens) {
        if (!known(each)) continue;
        auto& times = seen[static_cast<std::size_t>(each)];
        if (times == 0) continue;
        float& logit = logits[static_cast<std::size_t>(each)];
        if (how.repetition != 1) logit = logit > 0 ? logit / how.repetition : logit * how.repetition;
        if (times > 1) {
            logit = __builtin_fmaf(-how.frequency, static_cast<float>(times - 1), logit);
            logit -= how.presence;
        }
        times = 0;
    }
}

} // namespace ashlar::inline v0::kernel
