// SPDX-License-Identifier: Apache-2.0
#include "model_runner.hpp"

#include <algorithm>
#include <utility>

#include "clock.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace kv = ashlar::kv;

void model_runner::run(const wire::batch& b) {
    const al::instant began = monotonic();
    shares_.clear();
    for (const wire::item& item : b.items) add_shares(b, item);
    for (std::size_t at = 0; at < shares_.size() && line_.open();) {
        const std::size_t count = std::min<std::size_t>(model_.slices_max(), shares_.size() - at);
        forward(b, std::span(shares_).subspan(at, count));
        at += count;
    }
    ++batches_;
    busy_ns_ += static_cast<std::uint64_t>((monotonic() - began).ns);
    say(wire::batch_done{b.id});
}

void model_runner::count(wire::counters& into) const {
    into.batches = batches_;
    into.batch_tokens = batch_tokens_;
    into.busy_ns = busy_ns_;
}

void model_runner::add_shares(const wire::batch& b, const wire::item& item) {
    const auto fail = [&](al::errc why) {
        say(wire::item_failed{item.request, item.attempt, b.id, {why, al::origin::app}});
    };
    tenant* one = all_.find(item.request, item.attempt);
    if (!one || one->stay.released()) return fail(al::errc::not_found);
    if (item.kind == sched::item_kind::decode && item.position == one->tokens.size()) one->tokens.push_back(item.input);
    if (!one->stay.admits(item.position, item.count, one->tokens.size())) return fail(al::errc::out_of_range);
    if (item.kind == sched::item_kind::decode || !one->how.prompt_logprobs)
        return shares_.push_back({one, &item, item.position, item.count, item.last});
    for (std::uint32_t i = 0; i < item.count; ++i) { // every position's logits, one slice each
        const bool logits = item.position + i + 1 < one->stay.context() || item.last;
        shares_.push_back({one, &item, item.position + i, 1, logits});
    }
}

void model_runner::forward(const wire::batch& b, std::span<const share> shares) {
    slices_.clear();
    for (const share& each : shares) {
        slices_.push_back({std::span<const al::token_id>(each.of->tokens).subspan(each.position, each.count),
                           each.position, kv_.pages().runs(each.of->key), each.logits});
        batch_tokens_ += each.count;
    }
    const auto done = model_.forward(slices_, kv_.layout(), kv_.pool(), [&](al::layer_id layer) {
        for (const share& each : shares) {
            if (!each.of->pushes || !each.of->transfer) continue;
            const auto ready =
                kv::blocks_completed(each.position, each.count, each.of->stay.context(), kv_layout::tokens_per_block);
            if (ready.count) (void)kv_.fabric()->layer_ready(*each.of->transfer, layer, ready.first, ready.count);
        }
        return meanwhile_.between_layers();
    });
    std::size_t with_logits = 0;
    for (const share& each : shares) {
        tenant& one = *each.of;
        meanwhile_.while_sampling();
        if (!done) {
            say(wire::item_failed{one.request, one.attempt, b.id, done.error()});
            continue;
        }
        const std::uint32_t end = each.position + each.count;
        one.stay.computed_to(end);
        (void)kv_.pages().commit(one.key, std::span<const al::token_id>(one.tokens).first(one.stay.computed()));
        if (!each.logits) continue;
        const std::size_t i = with_logits++;
        if (one.how.prompt_logprobs && each.item->kind == sched::item_kind::prefill && end < one.stay.context()) {
            say(wire::prompt_token{one.request, one.attempt, end, model_.chance_of(i, one.tokens[end]),
                                   model_.rank_of(i, one.tokens[end]),
                                   model_.likeliest(i, one.how.prompt_top_logprobs)});
            continue;
        }
        sample(b, *each.item, one, i, end);
    }
}

void model_runner::sample(const wire::batch& b, const wire::item& item, tenant& one, std::size_t i,
                          std::uint32_t position) {
    const wire::sampling& how = one.how;
    const std::uint32_t generated = position + 1 - std::min(position + 1, how.prompt_tokens); // with this one
    bool may_stop = generated > how.min_tokens;
    wire::token said{.request = one.request,
                     .attempt = one.attempt,
                     .batch = b.id,
                     .kind = item.kind,
                     .stop = false,
                     .position = position,
                     .chosen = {},
                     .top = {}};
    bool over = false;
    const auto mask = mask_of(one, position, over);
    if (!mask) return say(wire::item_failed{one.request, one.attempt, b.id, mask.error()});
    may_stop = may_stop || over; // nothing else is left to say
    said.chosen = model_.sample(i, how, std::span<const al::token_id>(one.tokens).first(position), may_stop, *mask);
    said.stop = may_stop &&
                std::find(how.stop_tokens.begin(), how.stop_tokens.end(), said.chosen.token) != how.stop_tokens.end();
    if (how.logprobs) said.top = model_.likeliest(i, how.top_logprobs);
    say(std::move(said));
}

al::result<std::span<const std::uint64_t>> model_runner::mask_of(tenant& one, std::uint32_t position, bool& over) {
    if (!one.rule) return std::span<const std::uint64_t>{};
    const auto from = std::min(one.how.prompt_tokens, position);
    if (const auto read = one.rule->follow(std::span(one.tokens).subspan(from, position - from)); !read)
        return read.error();
    const std::uint32_t generated = position - from, most = one.how.max_tokens;
    const auto more =
        one.rule->allowed(one.how.stop_tokens, allowed_, most - std::min(most, generated), meanwhile_.while_sampling);
    if (!more) return more.error();
    over = !*more;
    if (std::all_of(allowed_.begin(), allowed_.end(), [](std::uint64_t word) { return word == 0; }))
        return al::error{al::errc::unsupported, al::origin::app};
    return std::span<const std::uint64_t>(allowed_);
}

} // namespace serve
