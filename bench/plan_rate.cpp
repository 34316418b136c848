// SPDX-License-Identifier: Apache-2.0
// plan_rate POINTS [--time|--two]: judges POINTS deployments at run time, for callgrind to count: a verdict with every
// reason, its price, and what the devices would do by EP in a scale-up domain, wide EP, Helix and context parallelism.
// --two has two kinds of devices, and so twice the alternatives. Prints
// {"points": ..., "allocations": ..., "us": wall time a point, with --time, "check": ...}.
#include <ashlar/plan.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {
unsigned long long allocations = 0;
}
void* operator new(std::size_t size) {
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

using namespace ashlar;

int main(int count, char** arguments) {
    const long points = count > 1 ? std::atol(arguments[1]) : 1000;
    const bool timed = count > 2 && std::strcmp(arguments[2], "--time") == 0;
    plan::deployment d{.what = plan::catalog::deepseek_v3,
                       .attention = plan::catalog::h200,
                       .ffn = plan::catalog::h200,
                       .attention_ranks = 32,
                       .ffn_ranks = 16,
                       .per_token = units::second(0.05)};
    if (count > 2 && std::strcmp(arguments[2], "--two") == 0) d.attention = plan::catalog::h100;
    const auto before = allocations;
    const auto start = std::chrono::steady_clock::now();
    double check = 0;
    for (long i = 0; i < points; ++i) {
        d.context = units::token(static_cast<double>(4096 + i % 64 * 64));
        d.requests = units::request(static_cast<double>(32 + i % 16));
        const plan::verdict v = plan::judge(d);
        const plan::cp_prompt prompt{d.context.value, 0, 8, 128, 128, 192};
        const plan::cp_rank rank{units::flop_rate(7e14), units::wire_rate(5e10), units::second(5e-6)};
        const plan::cp_decode merge{d.requests.value, 8, 128, 1, 512};
        if (!v.domain_ep.feasible() || !v.wide_ep.feasible() || !v.helix.feasible()) return 1; // then less is counted
        check += v.rate + v.cost.value + v.best_colocated + v.failed + plan::ring_time(prompt, rank).value +
                 plan::tree_merge_time(merge, rank).value;
    }
    const std::chrono::duration<double, std::micro> passed = std::chrono::steady_clock::now() - start;
    std::printf("{\"points\": %ld, \"allocations\": %llu, \"us\": %.3f, \"check\": %.6g}\n", points,
                allocations - before, timed ? passed.count() / static_cast<double>(points) : 0.0, check);
}
