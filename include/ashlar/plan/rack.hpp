// SPDX-License-Identifier: Apache-2.0
// A rack as a value: devices in one scale-up domain, and, where it has them, devices for prefill beside it that are
// reached over another link. In every announced shape prefill devices stand outside the scale-up domain.
//
//     static_assert(scale_up_total(catalog::gb200_nvl72) > both_ways(129_TBps));
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/topology.hpp>

namespace ashlar::inline v0::plan {

struct rack {
    char name[32] = {};
    status is = status::shipping;
    year_month as_of{};
    char source[96] = {};
    device main{};
    topology scale_up{};
    device prefill{}; // with `prefill_count` 0: none
    std::int64_t prefill_count = 0;
    link prefill_wire{}; // of one prefill device to the rest

    constexpr double devices() const { return static_cast<double>(world_size(scale_up)); }
};

constexpr units::byte memory_total(const rack& r) {
    return r.main.memory * r.devices() + r.prefill.memory * static_cast<double>(r.prefill_count);
}
constexpr units::byte_rate bandwidth_total(const rack& r) {
    return r.main.bandwidth * r.devices() + r.prefill.bandwidth * static_cast<double>(r.prefill_count);
}
constexpr units::flop_rate peak_total(const rack& r, math in) {
    return peak(r.main, in) * r.devices() + peak(r.prefill, in) * static_cast<double>(r.prefill_count);
}
// As vendors add it up: all ports, both directions.
constexpr units::wire_rate_both_ways scale_up_total(const rack& r) {
    return units::wire_rate_both_ways(2 * r.main.scale_up.value * r.devices());
}

} // namespace ashlar::inline v0::plan
