// SPDX-License-Identifier: Apache-2.0
// The golden tables of plan under nvcc. Compiling is the test, for each row is a static_assert; the rest is host code.
#include "../plan/golden.hpp"

#include <cstdio>

// What constant evaluation in nvcc has stumbled over: overflow checks and underflow.
namespace plan = ashlar::plan;
using namespace ashlar::literals;
static_assert(plan::well_formed(plan::catalog::cloudmatrix384::value));
static_assert(!plan::well_formed(plan::topology{{{1'000'000'000'000, {}}, {1'000'000'000'000, {}}}}));
static_assert(plan::experts_touched(plan::catalog::deepseek_v3.main_group().feed, 1e6) == 257);

int main() {
    int off = 0;
    for (const golden::row& r : golden::step3) off += !golden::holds(r);
    for (const golden::row& r : golden::step3_text) off += !golden::holds(r);
    for (const golden::row& r : golden::others) off += !golden::holds(r);
    std::printf("plan_golden: %d printed values are not reproduced\n", off);
    return off == 0 ? 0 : 1;
}
