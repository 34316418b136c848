// SPDX-License-Identifier: Apache-2.0
// What goes into an instance's next batch. The one here is continuous batching (Yu et al., Orca, OSDI 2022) with
// chunked prefill (Agrawal et al., Sarathi-Serve, OSDI 2024): every sequence that can decode gets its one token first,
// what is left of the token budget goes to prompts, first come first served, the last one cut to fit. A prefill or a
// decode instance is the same with one of its lines always empty.
//
//     chunked_batcher{}.fill(engine, requests, [](std::uint32_t slot, item_kind kind, std::uint32_t count) { ... });
//
// When more sequences decode than the budget has tokens, they take turns (who was served goes to the end of the line)
// and prompts wait: sequences end, so prompts do not wait for ever.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/sched/action.hpp>
#include <ashlar/sched/fleet.hpp>
#include <ashlar/sched/request_table.hpp>

namespace ashlar::inline v0::sched {

namespace detail {
struct take_nothing {
    void operator()(std::uint32_t, item_kind, std::uint32_t) const {}
};
} // namespace detail

// `take` may remove the slot that it is given from its line.
template <class B>
concept batcher = requires(const B b, const instance& at, const request_table& requests, detail::take_nothing take) {
    b.fill(at, requests, take);
};

struct chunked_batcher {
    template <class Take>
    void fill(const instance& at, const request_table& requests, Take&& take) const {
        std::uint32_t budget = at.facts.batch_tokens_max;
        for (std::uint32_t i = at.decode_line.first(), next; i != no_slot && budget > 0; i = next, --budget) {
            next = at.decode_line.after(requests.slots(), i);
            take(i, item_kind::decode, std::uint32_t{1});
        }
        for (std::uint32_t i = at.prefill_line.first(), next; i != no_slot && budget > 0; i = next) {
            next = at.prefill_line.after(requests.slots(), i);
            const std::uint32_t count = least(budget, requests[i].context - requests[i].computed);
            take(i, item_kind::prefill, count);
            budget -= count;
        }
    }
};

static_assert(batcher<chunked_batcher>);

} // namespace ashlar::inline v0::sched
