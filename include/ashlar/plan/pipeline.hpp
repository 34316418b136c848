// SPDX-License-Identifier: Apache-2.0
// The pipeline of disaggregated decoding: micro-batches go round between attention and FFN ranks, layer after layer.
// Each time here is that of one micro-batch and one layer.
//
//     const stage_times t{.attention = 165_us, .to_ffn = 20_us, .ffn = 125_us, .to_attention = 30_us};
//     units::second layer = round_time(t, 2);   // 340 us, not 330: two micro-batches cannot hide the way
//
// Sources: MegaScale-Infer (arXiv 2504.02263) equations 1-3; aiconfigurator 0.12 (AFD pipeline models); arXiv
// 2602.09721 for budgets; Step-3 report (2507.19427) section 5.
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>

namespace ashlar::inline v0::plan {

struct stage_times {
    units::second attention{}, to_ffn{}, ffn{}, to_attention{};
    units::second latency{}; // of both ways together, in which nobody is busy

    constexpr units::second busiest() const { return max(attention, ffn); }
    constexpr units::second way() const { return to_ffn + to_attention; }
    constexpr units::second loop() const { return attention + ffn + way() + latency; }
};

// Micro-batches that hide the way behind computing: 2 + (way + latency) / busiest. MegaScale-Infer's 2 (1 + T_c / T_f)
// is the same where both directions take T_c. Not rounded up; 0 if nothing computes.
constexpr double micro_batches_to_hide(const stage_times& t) {
    return t.busiest().value > 0 ? 2 + (t.way() + t.latency) / t.busiest() : 0;
}

// aiconfigurator's three models of the time between two micro-batches leaving a layer, to compare with.
enum class overlap : std::uint8_t { serial, conservative, optimistic };
constexpr units::second cycle_time(const stage_times& t, overlap how, int micro_batches) {
    if (how == overlap::serial) return t.loop();
    if (how == overlap::optimistic && micro_batches >= micro_batches_to_hide(t)) return max(t.busiest(), t.way());
    return max(t.attention + t.to_ffn, t.ffn + t.to_attention);
}
// Its step: the first micro-batch fills the pipeline, every other follows by a cycle.
constexpr units::second step_time_of(const stage_times& t, units::second cycle, int layers, int micro_batches) {
    const double rest = static_cast<double>(layers) * micro_batches - 1;
    return t.loop() + cycle * (rest > 0 ? rest : 0);
}

// Who moves the bytes: network cards beside the kernels, or kernels that occupy the sender while they send (DeepEP).
enum class transfer : std::uint8_t { beside, occupying };

// The longest time that one micro-batch keeps one place busy.
constexpr units::second slowest_of(const stage_times& t, transfer by = transfer::beside) {
    if (by == transfer::occupying) return max(t.attention + t.to_ffn, t.ffn + t.to_attention);
    return max(t.busiest(), max(t.to_ffn, t.to_attention));
}
// What constant times really give: each place serves one micro-batch at a time, each micro-batch is at one place at a
// time. From one layer to the next pass either all micro-batches through the slowest place or one through the whole
// loop, whichever is longer.
constexpr units::second round_time(const stage_times& t, int micro_batches, transfer by = transfer::beside) {
    return max(slowest_of(t, by) * static_cast<double>(micro_batches), t.loop());
}
// All micro-batches through all layers, until the last has left: a step.
constexpr units::second decode_time(const stage_times& t, int layers, int micro_batches,
                                    transfer by = transfer::beside) {
    return round_time(t, micro_batches, by) * static_cast<double>(layers - 1) + t.loop() +
           slowest_of(t, by) * static_cast<double>(micro_batches - 1);
}

// What an objective leaves for one stage: (objective accepted - gap) / (layers micro-batches). `accepted` tokens leave
// a step with speculation; `gap` passes between steps. 50 ms, 61 layers and 3 micro-batches leave 273 us.
constexpr units::second stage_budget(units::second per_token, int layers, int micro_batches, double accepted = 1,
                                     units::second gap = {}) {
    return (per_token * accepted - gap) / (static_cast<double>(layers) * micro_batches);
}

// Bytes that one rank's card sends (and, the other way round, receives) for a micro-batch of `tokens` in all. A token
// goes to `copies` groups of FFN ranks: all of them if broadcast, the distinct ones that hold its experts otherwise.
struct crossing_bytes {
    units::byte attention_out{}, ffn_in{}, ffn_out{}, attention_in{};
};
constexpr crossing_bytes bytes_of(double tokens, double hidden, double copies, double attention_ranks, double ffn_ranks,
                                  double dispatch_bytes, double combine_bytes) {
    const units::byte out(tokens * copies * hidden * dispatch_bytes), back(tokens * copies * hidden * combine_bytes);
    return {out / attention_ranks, out / ffn_ranks, back / ffn_ranks, back / attention_ranks};
}
// A direction takes as long as its busier end. A wire of 0 is one whose rate nobody published: it takes no time.
constexpr units::second sending_time(units::byte n, units::wire_rate wire) {
    return wire.value > 0 ? n / wire : units::second();
}
constexpr units::second dispatch_time(const crossing_bytes& b, units::wire_rate attention, units::wire_rate ffn) {
    return max(sending_time(b.attention_out, attention), sending_time(b.ffn_in, ffn));
}
constexpr units::second combine_time(const crossing_bytes& b, units::wire_rate attention, units::wire_rate ffn) {
    return max(sending_time(b.attention_in, attention), sending_time(b.ffn_out, ffn));
}

} // namespace ashlar::inline v0::plan
