// SPDX-License-Identifier: Apache-2.0
// golden.sampling: biases, tokens held back and penalties leave the logits that transformers' processors leave, and
// draws come from the tokens that its temperature, min-p, top-k and top-p leave, as often as they should. No model.
#include <cmath>

#include <ashlar/kernel/penalties.hpp>
#include <ashlar/kernel/sample.hpp>

#include <golden/golden.hpp>

using namespace ashlar;

int main() {
    golden::data in("sampling.bin");
    const auto vocabulary = in.one<std::uint32_t>(), cases = in.one<std::uint32_t>();
    kernel::penalty_scratch seen(vocabulary);
    kernel::sample_scratch room(vocabulary);
    std::size_t different = 0, strangers = 0;
    double furthest = 0;
    for (std::uint32_t i = 0; i < cases; ++i) {
        const auto tokens = in.take<token_id>(in.one<std::uint32_t>());
        const auto prompt = in.one<std::uint32_t>();
        const auto biases = in.take<kernel::token_bias>(in.one<std::uint32_t>());
        const auto held_back = in.take<token_id>(in.one<std::uint32_t>());
        const auto repetition = in.one<float>(), frequency = in.one<float>(), presence = in.one<float>();
        kernel::sampling how{};
        how.temperature = in.one<float>();
        how.min_p = in.one<float>();
        how.top_p = in.one<float>();
        how.top_k = in.one<std::uint32_t>();
        auto logits = in.take<float>(vocabulary);
        const auto expected = in.take<float>(vocabulary), chance = in.take<float>(vocabulary);

        kernel::add_biases(logits, biases);
        kernel::suppress(logits, held_back);
        kernel::penalise(logits, {repetition, frequency, presence}, tokens, prompt, seen);
        for (std::uint32_t t = 0; t < vocabulary; ++t) { // ours rounds once where torch rounds twice
            const float bar = frequency != 0 ? 4e-7f * std::max(1.0f, std::fabs(expected[t])) : 0;
            different += logits[t] != expected[t] && !(std::fabs(logits[t] - expected[t]) <= bar);
        }
        constexpr std::uint32_t draws = 4000;
        std::vector<std::uint32_t> count(vocabulary);
        how.seed = i;
        for (std::uint32_t p = 0; p < draws; ++p) {
            const auto token = static_cast<std::size_t>(kernel::sample(logits, how, p, room));
            ++count[token];
            strangers += !(chance[token] > 0);
        }
        double distance = 0; // total variation
        for (std::uint32_t t = 0; t < vocabulary; ++t)
            distance += std::abs(static_cast<double>(count[t]) / draws - static_cast<double>(chance[t])) / 2;
        furthest = std::max(furthest, distance);
    }
    const bool pass = in.done() && cases > 0 && different == 0 && strangers == 0 && furthest < 0.05;
    std::printf("golden.sampling cases=%u different=%zu strangers=%zu distance=%.3f transformers=%s %s\n", cases,
                different, strangers, furthest, golden::version_of("transformers").c_str(), pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
