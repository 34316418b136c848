// SPDX-License-Identifier: Apache-2.0
// Tutorial 8: a model and its hardware as values. What the compiler can check stands in static_asserts; the same
// functions run on the numbers of this morning.
#include <cstdio>

#include <ashlar/plan.hpp>

namespace plan = ashlar::plan;
namespace catalog = plan::catalog;
namespace units = ashlar::units;
using namespace ashlar::literals;

//! [model]
inline constexpr plan::model mine{.name = "mine",
                                  .hidden = 4096,
                                  .vocabulary = 128000,
                                  .groups = {{4, plan::gqa({32, 8, 128}), plan::dense(14336)},
                                             {28, plan::windowed(plan::gqa({32, 8, 128}), 4096),
                                              plan::moe({.experts = 64, .active = 4, .shared = 1, .width = 2048})}}};
static_assert(plan::kv_bytes(mine, 131'072_tokens) < 1.5_GB); // most layers see a window only
static_assert(plan::count_weights(mine).active() < 0.3 * plan::count_weights(mine).total());
//! [model]

//! [cost]
// Attention where memory is cheap, experts where FLOPS are: the report's own model for five cents and a half.
constexpr plan::token_cost split = plan::cost_per_token(catalog::step3, catalog::h20, catalog::h800, 8192_tokens);
static_assert(plan::per_million(split.total()) < 0.056_usd);

// But its experts are fed by weights, not by FLOPS, until a step carries 3,620 tokens.
constexpr plan::ffn experts = catalog::step3.main_group().feed;
static_assert(plan::knee_batch(experts, plan::balance(catalog::h800, plan::math::fp8)) > 3'619_tokens);
//! [cost]

//! [topology]
// Eight servers of eight behind one switch: how far is rank 9 from rank 3, and what does an all-to-all cost?
using cluster = plan::topo<plan::domain<8, catalog::nvlink4>, plan::domain<8, catalog::roce400>>;
static_assert(plan::world_size(cluster::value) == 64 && plan::level_between(cluster::value, 3, 9) == 1);

constexpr units::byte rows = plan::stored::fp8.of(128.0 * 8 * 7168); // 128 tokens to 8 experts each
constexpr auto sent = plan::bytes_crossing(cluster::value, plan::collective::all_to_all, rows);
static_assert(sent.bytes[1] > 7 * sent.bytes[0]); // most of it leaves the server
//! [topology]

int main() {
    //! [today]
    plan::device today = catalog::h800; // the same functions, with what was measured and what it costs now
    today.price = 1.40_usd_per_hour;
    today = plan::derate(today, 0.62, 0.85);
    for (const double batch : {16, 64, 256}) {
        const units::request requests(batch);
        const auto step = plan::decode_step(catalog::qwen3_30b, today, requests, 4096_tokens, plan::stored::fp8);
        const auto cost = plan::exact_cost(catalog::qwen3_30b, today, requests, 4096_tokens, plan::stored::fp8);
        std::printf("batch %3.0f: at least %.2f ms a token, experts bound by %s, %.3f dollars a million\n", batch,
                    step.total().value * 1e3, step.ffn.by() == plan::limit::memory ? "memory" : "FLOPS",
                    plan::per_million(cost).value);
    }
    //! [today]
    const units::second wire = plan::crossing_time(cluster::value, sent);
    std::printf("an all-to-all of 128 tokens takes at least %.0f us on the wire\n", wire.value * 1e6);
    return wire.value > 0 ? 0 : 1;
}
