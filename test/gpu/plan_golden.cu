// SPDX-License-Identifier: Apache-2.0
// The golden tables of plan under nvcc. Compiling is the test, for each row is a static_assert; the rest is host code.
#include "../plan/golden.hpp"

#include <cstdio>

int main() {
    int off = 0;
    for (const golden::row& r : golden::step3) off += !golden::holds(r);
    for (const golden::row& r : golden::step3_text) off += !golden::holds(r);
    for (const golden::row& r : golden::others) off += !golden::holds(r);
    std::printf("plan_golden: %d printed values are not reproduced\n", off);
    return off == 0 ? 0 : 1;
}
