// SPDX-License-Identifier: Apache-2.0
// From logits to a token. The draw depends on (seed, position) and the logits only: not on the batch, not on the order
// of requests, not on the processor. Temperature 0 is greedy; then the lowest id wins a tie.
//
//     sample_scratch room(vocabulary);
//     const sampling how{.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0, .seed = 7};
//     token_id next = sample(logits, how, position, room);
//
// Order: temperature, then top-k and min-p, then top-p over what is left (vLLM's; what top-k and min-p leave does not
// depend on which of them comes first). Penalties come before all of it: penalties.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/exp.hpp>

namespace ashlar::inline v0::kernel {

struct sampling {
    float temperature;   // 0: greedy; else logits are divided by it
    std::uint32_t top_k; // 0: all
    float top_p;         // >= 1: all
    float min_p;         // 0: all; else those at least so likely as this share of the likeliest (arXiv 2407.01082)
    std::uint64_t seed;
};

struct token_logprob {
    token_id token;
    float logprob;
};

// Memory of one sampler; not shared between threads.
class sample_scratch {
public:
    explicit sample_scratch(std::size_t vocabulary) : items_(vocabulary) {}
    struct candidate {
        float logit, weight;
        token_id token;
    };
    std::span<candidate> first(std::size_t n) { return ASHLAR_ASSERT(n <= items_.size()), std::span(items_.data(), n); }

private:
    fixed_array<candidate> items_;
};

// The highest logit; NaN is never chosen unless there is nothing else.
inline token_id greedy(std::span<const float> logits) {
    ASHLAR_ASSERT(!logits.empty());
    std::size_t best = 0;
    for (std::size_t i = 1; i < logits.size(); ++i) {
        if (logits[i] > logits[best] || (__builtin_isnan(logits[best]) && !__builtin_isnan(logits[i]))) best = i;
    }
    return static_cast<token_id>(best);
}

inline namespace ASHLAR_KERNEL_TARGET {

namespace detail {
// Orders by logit, then by lower id: a total order, so that every standard library agrees. NaN goes last.
inline bool likelier(const sample_scratch::candidate& a, const sample_scratch::candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// weight = exp((logit - highest) / temperature).
template <class Kernel>
void weigh(std::span<sample_scratch::candidate> items, float highest, float temperature) {
    for (std::size_t i = 0; i < items.size(); i += lanes) {
        float buffer[lanes] = {};
        const std::size_t n = std::min<std::size_t>(lanes, items.size() - i);
        for (std::size_t j = 0; j < n; ++j) buffer[j] = (items[i + j].logit - highest) / temperature;
        Kernel::store(buffer, exp<Kernel>(Kernel::load(buffer)));
        for (std::size_t j = 0; j < n; ++j) items[i + j].weight = buffer[j];
    }
}
} // namespace detail

template <class Kernel = cpu>
token_id sample(std::span<const float> logits, const sampling& how, std::uint32_t position, sample_scratch& room) {
    const token_id best = greedy(logits);
    const float highest = logits[static_cast<std::size_t>(best)];
    if (!(how.temperature > 0) || !__builtin_isfinite(highest)) return best;
    auto items = room.first(logits.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const float l = logits[i];
        items[i] = {__builtin_isnan(l) ? -__builtin_inff() : l, 0, static_cast<token_id>(i)};
    }
    if (how.top_k > 0 && how.top_k < items.size()) {
        const auto kth = items.begin() + how.top_k;
        std::nth_element(items.begin(), kth, items.end(), detail::likelier);
        items = items.first(how.top_k);
        std::sort(items.begin(), items.end(), detail::likelier);
    }
    detail::weigh<Kernel>(items, highest, how.temperature);
    if (how.min_p > 0) { // the likeliest weighs 1, and stays
        const float least = std::min(how.min_p, 1.0f);
        const auto end = std::remove_if(items.begin(), items.end(), [&](const auto& c) { return c.weight < least; });
        items = items.first(static_cast<std::size_t>(end - items.begin()));
    }
    double total = 0;
    for (const auto& c : items) total += c.weight;

    if (how.top_p < 1) { // the likeliest first, until their share is reached; a heap, for the share is rarely many
        const auto after = [](const auto& a, const auto& b) { return detail::likelier(b, a); };
        std::make_heap(items.begin(), items.end(), after);
        double kept = 0;
        std::size_t left = items.size();
        do {
            std::pop_heap(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(left--), after);
            kept += items[left].weight;
        } while (left > 0 && kept < static_cast<double>(how.top_p) * total);
        items = items.subspan(left);
        total = kept;
    }
    const double target = static_cast<double>(unit_float(mix(how.seed, position))) * total;
    double sum = 0;
    for (const auto& c : items) {
        sum += c.weight;
        if (sum > target) return c.token;
    }
    return best; // rounding left the target beyond the sum
}

// log Σ exp(logit): subtract it from a logit to get the token's log-probability.
template <class Kernel = cpu>
float log_sum_exp(std::span<const float> logits) {
    const float highest = logits[static_cast<std::size_t>(greedy(logits))];
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); i += lanes) {
        float buffer[lanes];
        for (std::size_t j = 0; j < lanes; ++j)
            buffer[j] = i + j < logits.size() ? logits[i + j] - highest : -__builtin_inff();
        Kernel::store(buffer, exp<Kernel>(Kernel::load(buffer)));
        for (float e : buffer) sum += e;
    }
    return static_cast<float>(highest + __builtin_log(sum));
}

} // namespace ASHLAR_KERNEL_TARGET

// The out.size() likeliest tokens, the likeliest first; ties by lower id. Returns how many there are.
inline std::size_t top_logprobs(std::span<const float> logits, float log_sum, std::span<token_logprob> out) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < logits.size() && !out.empty(); ++i) {
        const float p = logits[i] - log_sum;
        if (p != p || (count == out.size() && !(p > out[count - 1].logprob))) continue;
        std::size_t at = count < out.size() ? count++ : count - 1;
        for (; at > 0 && p > out[at - 1].logprob; --at) out[at] = out[at - 1];
        out[at] = {static_cast<token_id>(i), p};
    }
    return count;
}

} // namespace ashlar::inline v0::kernel
