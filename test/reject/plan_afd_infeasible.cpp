// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: infeasible_because<
// expect: network_budget
// expect: -92>
#include <ashlar/plan/afd.hpp>
#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>

using namespace ashlar;
using namespace ashlar::literals;

constexpr plan::deployment with(units::wire_rate card) {
    return {.what = plan::catalog::step3,
            .attention = plan::catalog::h20,
            .ffn = plan::catalog::h800,
            .attention_ranks = 32,
            .ffn_ranks = 16,
            .ffn_group = 8,
            .requests = 160_requests,
            .context = 8192_tokens,
            .per_token = units::second(0.05),
            .goes = plan::dispatch_to::all,
            .card = card};
}
constexpr plan::deployment fast = with(400_Gbps);

using feasible = plan::afd<fast>;
static_assert(feasible::judged.ok());
#if !defined(ASHLAR_ACCEPT)
constexpr plan::deployment slow = with(100_Gbps);
using infeasible = plan::afd<slow>;
static_assert(infeasible::judged.ok());
#endif
