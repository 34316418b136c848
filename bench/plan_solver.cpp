// SPDX-License-Identifier: Apache-2.0
// plan_solver [--grid]: what the ratio solver loses on the measured NVL72 sweeps of test/plan/nvl72.hpp, percent of the
// best measured throughput: with probes at the smallest ratio, 8 and 16; over all triples of probes; and, beside it,
// the prior alone and the best constant ratio. --grid tells how much hangs on the solver's own constants.
#include <ashlar/plan.hpp>

#include "../test/plan/nvl72.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace ashlar;
using namespace ashlar::plan;

namespace {
struct lost {
    double mean = 0, worst = 0;
    int count = 0;
    void add(double regret) {
        mean = (mean * count + 100 * regret) / (count + 1);
        worst = std::max(worst, 100 * regret);
        ++count;
    }
};

int chosen(const nvl72::sweep& s, const int (&at)[3], ratio_doubt doubt, double slack) {
    ratio_probe probes[3] = {};
    for (int i = 0; i < 3; ++i) probes[i] = {at[i], units::second(s.step_ms(at[i]) * 1e-3)};
    return choose(refit(nvl72::prior(s), probes, doubt), {s.points[0].ratio, s.points[s.count - 1].ratio}, slack);
}
void measure(ratio_doubt doubt, double slack, lost& fixed, lost& all) {
    for (const nvl72::sweep& s : nvl72::sweeps) {
        fixed.add(s.regret(chosen(s, {s.points[0].ratio, 8, 16}, doubt, slack)));
        for (int i = 0; i < s.count; ++i) {
            for (int j = i + 1; j < s.count; ++j) {
                for (int k = j + 1; k < s.count; ++k) {
                    all.add(
                        s.regret(chosen(s, {s.points[i].ratio, s.points[j].ratio, s.points[k].ratio}, doubt, slack)));
                }
            }
        }
    }
}
} // namespace

int main(int count, char** arguments) {
    if (count > 1 && std::strcmp(arguments[1], "--grid") == 0) {
        int held = 0, tried = 0, fixed_held = 0, mean_held = 0, worst_held = 0;
        for (const double probe : {0.02, 0.025, 0.03, 0.04}) {
            for (const double memory : {0.1, 0.15, 0.2}) {
                for (const double per_unit : {0.7, 1.0, 1.5}) {
                    for (const double slack : {0.0, 0.001, 0.002, 0.003, 0.004, 0.005}) {
                        lost fixed, all;
                        measure({probe, memory, per_unit}, slack, fixed, all);
                        const bool holds = fixed.worst <= 1.1 && all.mean <= 1.5 && all.worst <= 4;
                        held += holds;
                        ++tried;
                        fixed_held += fixed.worst <= 1.1;
                        mean_held += all.mean <= 1.5;
                        worst_held += all.worst <= 4;
                        std::printf("%.3f %.2f %.1f %.3f fixed %.2f mean %.2f worst %.2f%s\n", probe, memory, per_unit,
                                    slack, fixed.worst, all.mean, all.worst, holds ? " holds" : "");
                    }
                }
            }
        }
        std::printf(
            "of %d settings %d hold the bar of fixed probes, %d that of the mean, %d that of the worst, %d all\n",
            tried, fixed_held, mean_held, worst_held, held);
        return 0;
    }
    lost fixed, all, prior_only;
    measure({}, 0.003, fixed, all);
    for (const nvl72::sweep& s : nvl72::sweeps) {
        const ratio_range range{s.points[0].ratio, s.points[s.count - 1].ratio};
        prior_only.add(s.regret(choose(refit(nvl72::prior(s), {}), range)));
        std::fprintf(stderr, "%5s: best %d at %.1f tokens/s; chosen %d of probes at %d, 8, 16: loses %.2f %%\n", s.name,
                     s.best(), s.rate(s.best()), chosen(s, {s.points[0].ratio, 8, 16}, {}, 0.003), s.points[0].ratio,
                     100 * s.regret(chosen(s, {s.points[0].ratio, 8, 16}, {}, 0.003)));
    }
    int constant = 0;
    lost least{.mean = 100};
    for (int r = 4; r <= 16; ++r) {
        lost of;
        for (const nvl72::sweep& s : nvl72::sweeps) of.add(s.regret(r));
        if (of.mean < least.mean) least = of, constant = r;
    }
    std::printf(
        "{\"ours\": %.3f, \"peer\": %.3f, \"peer_name\": \"best constant ratio, %d:1, chosen with hindsight\", "
        "\"ratio\": %.3f, \"min\": %.3f, \"max\": %.3f, \"n\": %d, \"unit\": \"percent\", \"fixed\": %.3f, "
        "\"fixed_mean\": %.3f, \"mean\": %.3f, \"worst\": %.3f, \"constant_worst\": %.3f, \"prior_worst\": %.3f}\n",
        fixed.mean, least.mean, constant, fixed.mean / least.mean, 0.0, all.worst, all.count, fixed.worst, fixed.mean,
        all.mean, all.worst, least.worst, prior_only.worst);
}
