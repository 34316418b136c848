// SPDX-License-Identifier: Apache-2.0
// plan_verdicts: what judge() says of published deployments (test/plan/deployments.hpp), and AFD against wide EP on
// GB200 NVL72 as predicted and as published (test/plan/fastafd.hpp). ours is the worst error of the four predictions in
// points; `explained` leaves out the one that its own source contradicts.
#include <ashlar/plan.hpp>

#include "../test/plan/deployments.hpp"
#include "../test/plan/fastafd.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace ashlar;
using namespace ashlar::plan;

int main() {
    const verdict step3 = judge(deployments::step3), deepseek = judge(deployments::deepseek),
                  l4 = judge(deployments::on_l4);
    const double reached = deployments::deepseek.utilisation / (1 - deepseek.margin(reason::network_intensity));
    double worst = 0, least = 1e9, explained = 0, beside = 0;
    int signs = 0;
    for (const fastafd::point& p : fastafd::points) {
        const double error = 100 * std::abs(fastafd::predicted(p) - p.measured());
        const double free_wire = 100 * (fastafd::afd_rate(p, transfer::beside) / fastafd::ep_rate(p) - 1);
        const double one_table = 100 * (fastafd::afd_rate(p) / fastafd::ep_rate(p, fastafd::kernels) - 1);
        std::fprintf(
            stderr,
            "%-17s AFD %5.0f (published %5.0f), EP16 %5.0f (%5.0f) tokens/s a device: %+.1f %%, published %+.1f %%; "
            "transfers beside the kernels: %+.1f %%; DeepEP's own table for vLLM as well: %+.1f %%\n",
            p.name, fastafd::afd_rate(p), p.afd_rate, fastafd::ep_rate(p), p.ep_rate, 100 * fastafd::predicted(p),
            100 * p.measured(), free_wire, one_table);
        signs += fastafd::predicted(p) * p.measured() > 0;
        worst = std::max(worst, error);
        least = std::min(least, error);
        if (&p != &fastafd::points[3]) explained = std::max(explained, error);
        beside = std::max(beside, std::abs(free_wire - 100 * p.measured()));
    }
    double low = 1e9, high = 0; // vLLM: 2,200 tokens/s an H200, without batch, context or width
    for (const double context : {2048.0, 4096.0}) {
        for (const double ranks : {16.0, 32.0}) {
            const serving_work w = work_of(catalog::deepseek_v3, units::token(context), stored::fp8);
            const colocated_options o{.ranks = ranks, .per_token = units::second(0.05)};
            const double copies = distinct_destinations(w.routed, static_cast<int>(ranks));
            const double rate = 64 / min(wide_ep_step(w, catalog::h200, o, 64, copies),
                                         wide_ep_step(w, catalog::h200, o, 64, copies, true))
                                         .value;
            low = std::min(low, rate), high = std::max(high, rate);
            const colocated_plan best = best_wide_ep(w, catalog::h200, o);
            std::fprintf(stderr, "DeepSeek on H200, EP%.0f, %.0f tokens: %.0f tokens/s at 64 requests, %.0f in 50 ms\n",
                         ranks, context, rate, best.rate);
        }
    }
    std::printf(
        "{\"ours\": %.1f, \"peer\": null, \"ratio\": null, \"min\": %.1f, \"max\": %.1f, \"n\": 4, \"unit\": "
        "\"points\", \"signs\": %d, \"error\": %.1f, \"explained\": %.1f, \"beside\": %.1f, \"step3\": %d, "
        "\"deepseek_bound\": %d, \"deepseek_hfu\": %.1f, \"l4_attention\": %d, \"h200_low\": %.0f, \"h200_high\": "
        "%.0f}\n",
        worst, least, worst, signs, worst, explained, beside, step3.ok(),
        !deepseek.ok() && deepseek.has(reason::network_intensity), 100 * reached,
        !l4.ok() && l4.worst() == reason::attention_budget, low, high);
}
