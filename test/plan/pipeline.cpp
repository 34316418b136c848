// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/pipeline.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

#include <ashlar/core/random.hpp>
#include <ashlar/plan/moe.hpp>

#include <algorithm>

using namespace ashlar;
using namespace ashlar::plan;

namespace {
constexpr units::second us(double n) { return units::second(n * 1e-6); }
constexpr bool near(double a, double b, double by) { return a > b - by && a < b + by; }

// Each place serves one micro-batch at a time, in the order of arrival.
double simulated(const stage_times& t, int layers, int micro_batches, transfer by) {
    const double times[4] = {t.attention.value, t.to_ffn.value, t.ffn.value, t.to_attention.value};
    double place_free[4] = {}, here[8] = {}, last = 0;
    for (int layer = 0; layer < layers; ++layer) {
        for (int place = 0; place < 4; ++place) {
            for (int m = 0; m < micro_batches; ++m) {
                // Sent by a kernel: computing and sending are one visit.
                const bool sends = by == transfer::occupying;
                if (sends && place % 2 != 0) continue;
                const double start = std::max(here[m], place_free[place]);
                here[m] = start + times[place] + (sends ? times[place + 1] : 0);
                place_free[place] = here[m];
                last = std::max(last, here[m]);
            }
        }
    }
    return last;
}
} // namespace

// MegaScale-Infer: 3 on fast networks, 4 on slow ones, where both directions take T_c.
static_assert(micro_batches_to_hide({us(100), us(50), us(100), us(50)}) == 3);
static_assert(micro_batches_to_hide({us(100), us(100), us(60), us(100)}) == 4);
static_assert(micro_batches_to_hide({}) == 0);

// aiconfigurator 0.12.0, sdk/inference_session.py: three models, and optimism only where there are enough
// micro-batches.
constexpr stage_times sample{us(165), us(34), us(125), us(42)};
static_assert(near(cycle_time(sample, overlap::serial, 2).value, 366e-6, 1e-12));
static_assert(near(cycle_time(sample, overlap::conservative, 3).value, 199e-6, 1e-12));
static_assert(near(cycle_time(sample, overlap::optimistic, 3).value, 165e-6, 1e-12));
static_assert(cycle_time(sample, overlap::optimistic, 2) == cycle_time(sample, overlap::conservative, 2));
static_assert(near(step_time_of(sample, us(199), 94, 2).value, (366 + 199 * 187) * 1e-6, 1e-9));

// Section 6.6 and 5 of the Step-3 report, and arXiv 2602.09721's budget with speculation and a gap.
static_assert(near(stage_budget(units::second(0.05), 61, 3).value * 1e6, 273.2, 0.1));
static_assert(near(stage_budget(units::second(0.05), 61, 4).value * 1e6, 204.9, 0.1));
static_assert(near(stage_budget(units::second(0.05), 61, 3, 1.7, units::second(0.015)).value * 1e6, 382.5, 0.1));

// StepMesh, Introduction.md: 2A2F, 128 tokens a device of 7,168: 896 KiB there, 1.75 MiB back, 18.4 and 36.7 us of
// wire, 91 + 182 = 273 us at 161.3 Gb/s.
constexpr crossing_bytes stepmesh = bytes_of(16 * 128, 7168, 2, 16, 16, 1, 2);
static_assert(stepmesh.attention_out.value == 2 * 896 * 1024 && stepmesh.attention_in.value == 2 * 1.75 * 1024 * 1024);
static_assert(near((stepmesh.ffn_in / units::wire_rate(161.3e9 / 8)).value * 1e6, 91, 0.1));
static_assert(near((stepmesh.ffn_out / units::wire_rate(161.3e9 / 8)).value * 1e6, 182, 0.1));

// Broadcast traffic of Step-3, eight 50 GB/s cards a server: 110 us for 2A2F and 4A2F of 2,048; 275 us at 80 % for 3A4F
// of 3,072, which the report gives as its limit.
constexpr units::second both(double tokens, double attention_servers, double ffn_servers, double share) {
    const crossing_bytes b = bytes_of(tokens, 7168, ffn_servers, 8 * attention_servers, 8 * ffn_servers, 1, 2);
    const units::wire_rate card(50e9 * share);
    return dispatch_time(b, card, card) + combine_time(b, card, card);
}
static_assert(near(both(2048, 2, 2, 1).value * 1e6, 110.1, 0.1) && near(both(2048, 4, 2, 1).value * 1e6, 110.1, 0.1));
static_assert(near(both(3072, 3, 4, 1).value * 1e6, 220.2, 0.1) && near(both(3072, 3, 4, 0.8).value * 1e6, 275.3, 0.1));

// 3A4F: 3 x 3,072 tokens in 50 ms on 56 devices are 3,291 a device; 16A2F by 4A2F's rate on three times the devices.
static_assert(near(3 * 3072 / 0.05 / 56, 3291, 0.5) && near(2693.0 * 48 / 144, 898, 0.5));

// aiconfigurator's chance to send to an FFN node, 1 - C(E - E / N, k) / C(E, k), is ours of distinct destinations.
static_assert(near(distinct_destinations(moe({256, 8, 0, 2048}), 4) / 4, 0.903554, 1e-6));

TEST_CASE("a step of constant stages takes what a simulation of its places takes") {
    random_stream random{.seed = 7};
    for (int i = 0; i < 400; ++i) {
        const auto any = [&] { return us(1 + static_cast<double>(random.below(200))); };
        const stage_times t{any(), any(), any(), any()};
        const int m = 1 + static_cast<int>(random.below(6)), layers = 60;
        for (const transfer by : {transfer::beside, transfer::occupying}) {
            CAPTURE(m);
            CHECK(decode_time(t, layers, m, by).value == doctest::Approx(simulated(t, layers, m, by)).epsilon(1e-9));
        }
    }
}

TEST_CASE("enough micro-batches hide the way, and one fewer does not") {
    const stage_times t{us(100), us(40), us(90), us(50)}; // 2.9 micro-batches
    CHECK(round_time(t, 3).value == doctest::Approx(300e-6));
    CHECK(round_time(t, 2).value == doctest::Approx(280e-6));
    CHECK(round_time(t, 2) > t.busiest() * 2.0);
}

TEST_CASE("budgets and bytes of ten million tokens on a hundred thousand ranks stay finite") {
    const crossing_bytes b = bytes_of(1e7, 16384, 1e5, 1e5, 1e5, 1, 2);
    CHECK(b.attention_out.value == doctest::Approx(1e7 * 16384));
    CHECK(stage_budget(units::second(10), 1000, 64).value > 0);
}
