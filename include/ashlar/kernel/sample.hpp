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
#include <ashlar/kernel/likeliest.hpp>

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
    explicit sample_scratch(std::size_t vocabulary) : items_(vocabulary), weights_(vocabulary) {}
    std::span<candidate> items() { return {items_.data(), items_.size()}; }
    std::span<float> weights() { return {weights_.data(), weights_.size()}; }

private:
    fixed_array<candidate> items_;
    fixed_array<float> weights_;
};

inline namespace ASHLAR_KERNEL_TARGET {

// The highest logit; NaN is never chosen unless there is nothing else.
template <class Kernel = cpu>
token_id greedy(std::span<const float> logits) {
    ASHLAR_ASSERT(!logits.empty());
    const auto none = Kernel::set1(-__builtin_inff());
    auto top = none;
    for (std::size_t i = 0; i < logits.size(); i += lanes) {
        const std::size_t n = logits.size() - i;
        top = Kernel::max(n >= lanes ? Kernel::load(&logits[i])
                                     : Kernel::select_first(n, Kernel::load_first(&logits[i], n), none),
                          top);
    }
    const auto at = std::find(logits.begin(), logits.end(), Kernel::highest(top));
    return at == logits.end() ? token_id{} : static_cast<token_id>(at - logits.begin());
}

namespace detail {
// The sum of all weights exp((logit - highest) / temperature), 0 for NaN, in an order that no processor changes.
// take(i, n, weights) gets n of them, from the i-th on.
template <class Kernel, class Take>
double weigh(std::span<const float> logits, float highest, float temperature, Take&& take) {
    const auto down = Kernel::set1(-highest), by = Kernel::set1(temperature), nothing = Kernel::set1(-__builtin_inff());
    double sums[lanes] = {};
    for (std::size_t i = 0; i < logits.size(); i += lanes) {
        const std::size_t n = std::min<std::size_t>(lanes, logits.size() - i);
        const auto x = n == lanes ? Kernel::load(&logits[i]) : Kernel::load_first(&logits[i], n);
        const auto scaled = Kernel::max(Kernel::div(Kernel::add(x, down), by), nothing); // NaN: nothing
        float weights[lanes];
        Kernel::store(weights, exp<Kernel>(Kernel::select_first(n, scaled, nothing)));
        for (std::size_t j = 0; j < lanes; ++j) sums[j] += static_cast<double>(weights[j]);
        take(i, n, weights);
    }
    double sum = 0;
    for (const double each : sums) sum += each;
    return sum;
}
} // namespace detail

template <class Kernel = cpu>
token_id sample(std::span<const float> logits, const sampling& how, std::uint32_t position, sample_scratch& room) {
    const token_id best = greedy<Kernel>(logits);
    const float highest = logits[static_cast<std::size_t>(best)];
    if (!(how.temperature > 0) || !__builtin_isfinite(highest)) return best;
    const bool fewer = how.top_k > 0 && how.top_k < logits.size();
    ASHLAR_ASSERT(logits.size() <= room.weights().size());
    const auto weights = room.weights().first(logits.size());
    const float reached = fewer ? reached_by<Kernel>(logits, how.top_k, weights) : -__builtin_inff();
    double total = detail::weigh<Kernel>(logits, highest, how.temperature,
                                         [&](auto i, auto n, const float* some) { std::copy_n(some, n, &weights[i]); });
    const double share = static_cast<double>(unit_float(mix(how.seed, position)));
    double sum = 0;
    if (!fewer && !(how.min_p > 0) && !(how.top_p < 1)) {
        for (std::size_t i = 0; i < weights.size(); ++i) {
            if ((sum += static_cast<double>(weights[i])) > share * total) return static_cast<token_id>(i);
        }
        return best; // rounding left it beyond the sum
    }

    // What top-p leaves weighs (1 - top_p) / n at least: what weighs less comes to less than 1 - top_p together, and
    // the likeliest alone weighs 1.
    float least = 0x1p-126f;
    if (how.min_p > 0)
        least = std::min(how.min_p, 1.0f);
    else if (!fewer)
        least = std::max(least, (1 - std::max(how.top_p, 0.0f)) / static_cast<float>(logits.size()));
    auto items = room.items();
    std::size_t count = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (weights[i] >= least && logits[i] >= reached)
            items[count++] = {logits[i], weights[i], static_cast<token_id>(i)};
    }
    items = items.first(count);
    const auto weight = [](const candidate& c) { return static_cast<double>(c.weight); };
    const auto sum_up = [&] {
        total = 0;
        for (const candidate& c : items) total += weight(c);
    };
    if (fewer && how.top_k < count) items = items.first(reach(items, how.top_k, [](const candidate&) { return 1.0; }));
    if (fewer || how.min_p > 0) sum_up();
    if (how.top_p < 1) {
        items = items.first(reach(items, static_cast<double>(how.top_p) * total, weight));
        sum_up();
    }
    for (const candidate& c : items) {
        if ((sum += weight(c)) > share * total) return c.token;
    }
    return best;
}

// log Σ exp(logit): subtract it from a logit to get the token's log-probability.
template <class Kernel = cpu>
float log_sum_exp(std::span<const float> logits) {
    const float highest = logits[static_cast<std::size_t>(greedy<Kernel>(logits))];
    const double sum = detail::weigh<Kernel>(logits, highest, 1, [](std::size_t, std::size_t, const float*) {});
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
