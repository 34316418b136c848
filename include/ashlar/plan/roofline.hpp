// SPDX-License-Identifier: Apache-2.0
// Roofline (Williams et al., 2009): work takes the longer of its FLOP at the peak and its bytes at the bandwidth.
//
//     const step_time step = decode_step(catalog::step3, catalog::h800, 128_requests, 8192_tokens, stored::fp8);
//     if (step.ffn.by() == limit::memory) ...   // the batch is below the knee
//
// A bound on speed: nothing here knows kernels, communication or launch overhead. What share of a device's peaks
// kernels reach is the caller's to measure, and derate()'s to apply.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/model.hpp>
#include <ashlar/plan/moe.hpp>

namespace ashlar::inline v0::plan {

enum class limit : std::uint8_t { compute, memory };

struct roofline {
    units::second compute{}, memory{};

    constexpr units::second time() const { return max(compute, memory); }
    constexpr limit by() const { return compute < memory ? limit::memory : limit::compute; }
};
constexpr roofline roof(units::flop flop, units::byte bytes, const device& d, math in) {
    return {flop / rate(d, in), bytes / d.bandwidth};
}

// A device whose kernels reach this share of its peaks.
constexpr device derate(device d, double compute, double memory) {
    for (units::flop_rate* p : {&d.dense.fp32, &d.dense.bf16, &d.dense.fp8, &d.dense.int8, &d.dense.fp4}) {
        *p = *p * compute;
    }
    d.bandwidth = d.bandwidth * memory;
    return d;
}

// One decoded token for each of `batch` requests through the whole model on one device, or on several that share the
// work evenly and talk for free (divide by their number).
struct step_time {
    units::second core{}; // scores and values, each group of layers at its own limit
    roofline linear{};
    roofline ffn{};
    roofline head{};

    constexpr units::second attention() const { return core + linear.time(); }
    constexpr units::second total() const { return attention() + ffn.time() + head.time(); }
};
constexpr step_time decode_step(const model& m, const device& d, units::request batch, units::token context,
                                precision stored_weights) {
    const math in = stored_weights.in;
    const double b = batch.value;
    step_time sum;
    units::flop linear, ffn;
    units::byte linear_weights, ffn_weights_read;
    for (const layer_group& g : m.groups) {
        const roofline core =
            roof(core_flop(g.mix, context) * b, kv_traffic(g.mix, context) * b, d, core_math(g.mix, in));
        sum.core += core.time() * g.count;
        const double weights = attention_weights(g.mix, m.hidden) * g.count;
        linear += units::flop(2 * weights * b);
        linear_weights += stored_weights.of(weights);
        ffn += ffn_flop(g.feed, m.hidden) * (g.count * b);
        ffn_weights_read += stored_weights.of(expert_weights(g.feed, m.hidden) * experts_touched(g.feed, b) * g.count);
    }
    const double head = static_cast<double>(m.vocabulary) * m.hidden;
    sum.linear = roof(linear, linear_weights, d, in);
    sum.ffn = roof(ffn, ffn_weights_read, d, in);
    sum.head = roof(units::flop(2 * head * b), stored_weights.of(head), d, in);
    return sum;
}

} // namespace ashlar::inline v0::plan
