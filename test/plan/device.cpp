// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/device.hpp>

#include <cmath>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr device old{.name = "old", .dense = {.bf16 = 312_TFLOPS}, .bandwidth = 2_TBps};
constexpr device recent{.name = "recent", .dense = {.bf16 = 1_PFLOPS, .fp8 = 2_PFLOPS}, .bandwidth = 4_TBps};

template <device D>
constexpr units::flop_per_byte ridge = balance(D, math::fp8);
} // namespace

TEST_CASE("what a device lacks runs in the next wider arithmetic that it has") {
    CHECK(runs_in(recent, math::fp4) == math::fp8);
    CHECK(runs_in(recent, math::fp8) == math::fp8);
    CHECK(runs_in(recent, math::int8) == math::bf16);
    CHECK(runs_in(old, math::fp4) == math::bf16);
    CHECK(rate(old, math::fp8) == 312_TFLOPS);
    CHECK(peak(old, math::fp8) == units::flop_rate());
    CHECK(rate(device{}, math::fp8) == units::flop_rate());
}

TEST_CASE("a device is structural, and its balance is FLOPS over bandwidth") {
    static_assert(ridge<recent>.value == 500);
    CHECK(balance(old, math::fp8).value == 156);
}

TEST_CASE(
    "a device without memory, bandwidth or a peak, or with a number below nothing or none at all, is not well formed") {
    const auto changed = [](auto change) {
        device d = recent;
        d.memory = 80_GB;
        change(d);
        return well_formed(d);
    };
    const double nan = std::nan("");
    CHECK(changed([](device&) {}));
    CHECK_FALSE(well_formed(device{}));
    CHECK_FALSE(changed([](device& d) { d.memory = {}; }));
    CHECK_FALSE(changed([&](device& d) { d.memory = units::byte(nan); }));
    CHECK_FALSE(changed([](device& d) { d.bandwidth = {}; }));
    CHECK_FALSE(changed([&](device& d) { d.bandwidth = units::byte_rate(nan); }));
    CHECK_FALSE(changed([](device& d) { d.dense = {}; }));
    CHECK_FALSE(changed([](device& d) { d.dense.fp4 = units::flop_rate(-1); }));
    CHECK_FALSE(changed([&](device& d) { d.dense.int8 = units::flop_rate(nan); }));
    CHECK_FALSE(changed([](device& d) { d.scale_up_size = 0; }));
    CHECK_FALSE(changed([](device& d) { d.scale_up = units::wire_rate(-1); }));
    CHECK_FALSE(changed([&](device& d) { d.scale_out = units::wire_rate(nan); }));
    CHECK_FALSE(changed([](device& d) { d.power = units::watt(-1); }));
    CHECK_FALSE(changed([&](device& d) { d.price = units::usd_rate(nan); }));
}
