// SPDX-License-Identifier: Apache-2.0
// Dollars for a decoded token, by the Step-3 report's accounting (arXiv 2507.19427, section 3): attention costs the
// dearer of its FLOP and its bytes, plus its projections; feed-forward layers cost their FLOP. Full use of the device,
// no head, no communication. What a batch makes of it is in exact_cost.
//
//     constexpr token_cost split = cost_per_token(catalog::step3, catalog::h20, catalog::h800, 8192_tokens);
//     static_assert(per_million(split.total()) < 0.056_usd);
#pragma once

#include <limits>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/model.hpp>
#include <ashlar/plan/roofline.hpp>

namespace ashlar::inline v0::plan {

struct token_cost {
    units::usd_per_token attention{}, ffn{};

    constexpr units::usd_per_token total() const { return attention + ffn; }
};

constexpr units::usd_per_token per_token(units::usd money) { return money / units::token(1); }
constexpr units::usd per_million(units::usd_per_token cost) { return cost * units::token(1e6); }

constexpr units::usd_per_token attention_cost(const work& w, const device& d, math in = math::fp8) {
    return per_token((roof(w.core, w.kv, d, in).time() + w.linear / rate(d, in)) * d.price);
}
constexpr units::usd_per_token ffn_cost(const work& w, const device& d, math in = math::fp8) {
    return per_token(w.feed / rate(d, in) * d.price);
}

// Attention on one device, feed-forward on another; the same one twice is a homogeneous deployment.
constexpr token_cost cost_per_token(const model& m, const device& attention, const device& ffn, units::token context,
                                    convention how = convention::exact, math in = math::fp8) {
    const work w = work_per_token(m, context, how);
    return {attention_cost(w, attention, in), ffn_cost(w, ffn, in)};
}

// The cheapest of these devices for each half: the report's AFD column. Those without a price do not count.
template <int Count>
constexpr token_cost cheapest(const model& m, const device (&devices)[Count], units::token context,
                              convention how = convention::exact, math in = math::fp8) {
    constexpr units::usd_per_token dearest(std::numeric_limits<double>::infinity());
    token_cost best{dearest, dearest};
    for (const device& d : devices) {
        if (d.price.value <= 0 || rate(d, in).value <= 0) continue;
        const token_cost c = cost_per_token(m, d, d, context, how, in);
        best = {min(best.attention, c.attention), min(best.ffn, c.ffn)};
    }
    return best;
}

// Training: three times the forward FLOP (Figure 4 of the report, at full use).
constexpr units::usd_per_token training_cost(const work& w, const device& d, math in = math::fp8) {
    return per_token((w.core + w.linear + w.feed) * 3 / rate(d, in) * d.price);
}

// Dollars a token of a step with this batch: weights are read, layers have their own limits, the head counts.
constexpr units::usd_per_token exact_cost(const model& m, const device& d, units::request batch, units::token context,
                                          precision stored_weights) {
    return per_token(decode_step(m, d, batch, context, stored_weights).total() * d.price / batch.value);
}

} // namespace ashlar::inline v0::plan
