// SPDX-License-Identifier: Apache-2.0
// A device as a value: dense peaks, memory, ports, power and price, with how sure one may be of them: a status, a
// source and the month in which the source was true.
//
//     constexpr auto ridge = balance(catalog::h800, math::fp8);   // 591 FLOP a byte
#pragma once

#include <cstdint>
#include <initializer_list>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/precision.hpp>

namespace ashlar::inline v0::plan {

enum class status : std::uint8_t { shipping, announced, cancelled, rumoured };

struct year_month {
    int year = 0, month = 0;
    friend constexpr bool operator==(const year_month&, const year_month&) = default;
};

struct peaks {
    units::flop_rate fp32{}, bf16{}, fp8{}, int8{}, fp4{}; // dense; 0: the device does not have it

    friend constexpr bool operator==(const peaks&, const peaks&) = default;
};

struct device {
    char name[32] = {};
    status is = status::shipping;
    year_month as_of{};
    char source[96] = {};
    peaks dense{};
    units::byte memory{};
    units::byte_rate bandwidth{};
    units::wire_rate scale_up{};  // of all ports into the scale-up domain; 0: has none
    units::wire_rate scale_out{}; // of its network card
    int scale_up_size = 1;        // devices of a scale-up domain
    units::watt power{};          // 0: not published
    units::usd_rate price{};      // 0: no price in the source

    friend constexpr bool operator==(const device&, const device&) = default;
};

// What the formulas take for granted, for a device that was read from somewhere: memory, bandwidth and a peak, nothing
// negative. No comparison holds of a NaN.
constexpr bool well_formed(const device& d) {
    const peaks& p = d.dense;
    double most = 0;
    for (const double n : {p.fp32.value, p.bf16.value, p.fp8.value, p.int8.value, p.fp4.value}) {
        if (!(n >= 0)) return false;
        most = n > most ? n : most;
    }
    return most > 0 && d.memory.value > 0 && d.bandwidth.value > 0 && d.scale_up.value >= 0 && d.scale_out.value >= 0 &&
           d.scale_up_size >= 1 && d.power.value >= 0 && d.price.value >= 0;
}

// The peak of this arithmetic; 0 if the device does not have it.
constexpr units::flop_rate peak(const device& d, math in) {
    switch (in) {
    case math::fp32:
        return d.dense.fp32;
    case math::bf16:
        return d.dense.bf16;
    case math::fp8:
        return d.dense.fp8;
    case math::int8:
        return d.dense.int8;
    case math::fp4:
        return d.dense.fp4;
    }
    return {};
}

// What numbers stored for `in` are multiplied in where the device lacks it: the next wider that it has, so that FP8
// weights run in BF16 on an A800.
constexpr math runs_in(const device& d, math in) {
    if (peak(d, in).value > 0) return in;
    if (in == math::fp4 && d.dense.fp8.value > 0) return math::fp8;
    if (in != math::fp32 && d.dense.bf16.value > 0) return math::bf16;
    return math::fp32;
}
constexpr units::flop_rate rate(const device& d, math in) { return peak(d, runs_in(d, in)); }

// FLOP for each byte of memory traffic at which both limits meet.
constexpr units::flop_per_byte balance(const device& d, math in) { return rate(d, in) / d.bandwidth; }

} // namespace ashlar::inline v0::plan
