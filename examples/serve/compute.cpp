// SPDX-License-Identifier: Apache-2.0
#include "compute.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/mask.hpp>
#include <ashlar/kernel/penalties.hpp>
#include <ashlar/kernel/sample.hpp>
#include <ashlar/model/decoder.hpp>
#include <support/model_file.hpp>
#include <support/thread_pool.hpp>

namespace serve {

namespace al = ashlar;
using llm = al::model::decoder<al::model::llama, al::kernel::cpu, kv_layout>;

struct computer::state {
    al::support::thread_pool threads;
    al::digest128 fingerprint;
    std::optional<llm> model;
    al::kernel::sample_scratch room{0};
    al::kernel::penalty_scratch seen{0};
    std::vector<float> changed; // logits
};

computer::computer(const std::string& path, std::uint32_t threads, std::uint32_t batch_tokens, std::uint32_t sequences,
                   std::uint32_t context)
    : state_(new state{al::support::thread_pool(threads),
                       {},
                       {},
                       al::kernel::sample_scratch(0),
                       al::kernel::penalty_scratch(0),
                       {}}) {
    auto file = al::support::model_file::open(path);
    if (!file) throw std::runtime_error(path + ": " + file.fault().sentence);
    const auto facts = file->facts();
    if (!facts) throw std::runtime_error(path + ": " + facts.fault().sentence);
    state_->fingerprint = file->fingerprint();
    al::model::tensor_name culprit;
    std::string sentence;
    std::size_t asked = 0;
    auto made = llm::make(
        *facts,
        {.tokens = batch_tokens,
         .slices = std::min(sequences, batch_tokens),
         .context = std::min(context, facts->context)},
        [&](std::string_view name) -> al::result<al::kernel::weight_view> {
            // What was asked for before is packed by now: the weights are never in memory twice.
            constexpr std::size_t step = 16 << 20;
            if (asked > step) file->release_pages(), asked = 0;
            auto view = file->tensor(name);
            if (view) return asked += view->bytes(), *view;
            sentence = view.fault().sentence;
            return view.fault().what;
        },
        state_->threads, culprit);
    if (!made)
        throw std::runtime_error(path + ": the model cannot be used: " + std::string(al::to_string(made.error().code)) +
                                 " " + std::string(culprit.view()) + " " + sentence);
    state_->model.emplace(std::move(made).value());
    state_->room = al::kernel::sample_scratch(facts->vocabulary);
    state_->seen = al::kernel::penalty_scratch(facts->vocabulary);
    state_->changed.resize(facts->vocabulary);
}
computer::~computer() = default;

const al::model::llama_facts& computer::facts() const { return state_->model->facts(); }
al::digest128 computer::fingerprint() const { return state_->fingerprint; }
std::uint32_t computer::slices_max() const { return state_->model->most().slices; }

al::result<void> computer::forward(std::span<const al::model::slice> batch, const kv_layout& layout, std::byte* pool,
                                   const layer_hook& hook) {
    return state_->model->forward(batch, layout, pool, state_->threads, hook);
}

wire::chance computer::sample(std::size_t i, const wire::sampling& how, std::span<const al::token_id> tokens,
                              bool may_stop, std::span<const std::uint64_t> allowed) {
    std::span<const float> logits = state_->model->logits(i);
    const al::kernel::penalties penalties{how.repetition, how.frequency, how.presence};
    if (!may_stop || penalties.any() || !how.biases.empty()) {
        const std::span<float> changed = state_->changed;
        std::copy(logits.begin(), logits.end(), changed.begin());
        for (const auto& each : how.biases) {
            const al::kernel::token_bias one{each.token, each.value};
            al::kernel::add_biases(changed, {&one, 1});
        }
        if (!may_stop) al::kernel::suppress(changed, how.late_tokens);
        if (penalties.any()) al::kernel::penalise(changed, penalties, tokens, how.prompt_tokens, state_->seen);
        logits = changed;
    }
    if (!allowed.empty()) { // last: nothing brings back what a grammar forbids
        if (logits.data() != state_->changed.data()) std::copy(logits.begin(), logits.end(), state_->changed.begin());
        al::kernel::apply_mask(state_->changed, allowed);
        logits = state_->changed;
    }
    const al::kernel::sampling by{
        .temperature = how.temperature, .top_k = how.top_k, .top_p = how.top_p, .min_p = how.min_p, .seed = how.seed};
    const al::token_id token = al::kernel::sample(logits, by, static_cast<std::uint32_t>(tokens.size()), state_->room);
    return how.logprobs ? chance_of(i, token) : wire::chance{token, 0};
}

wire::chance computer::chance_of(std::size_t i, al::token_id token) {
    const auto logits = state_->model->logits(i);
    return {token, logits[static_cast<std::size_t>(token)] - al::kernel::log_sum_exp(logits)};
}

std::uint32_t computer::rank_of(std::size_t i, al::token_id token) {
    const auto logits = state_->model->logits(i);
    const float own = logits[static_cast<std::size_t>(token)];
    return 1 + static_cast<std::uint32_t>(
                   std::count_if(logits.begin(), logits.end(), [own](float other) { return other > own; }));
}

std::vector<wire::chance> computer::likeliest(std::size_t i, std::uint32_t count) {
    std::vector<al::kernel::token_logprob> top(count);
    const auto logits = state_->model->logits(i);
    top.resize(al::kernel::top_logprobs(logits, al::kernel::log_sum_exp(logits), top));
    std::vector<wire::chance> out;
    for (const auto& each : top) out.push_back({each.token, each.logprob});
    return out;
}

std::string_view missing_instructions() { return al::kernel::missing(); }

} // namespace serve
