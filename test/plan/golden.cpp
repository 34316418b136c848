// SPDX-License-Identifier: Apache-2.0
#include "golden.hpp"

#include <doctest/doctest.h>

namespace {
template <const auto& Table>
void run() {
    for (const golden::row& r : Table) {
        CAPTURE(r.table);
        CAPTURE(r.what);
        CAPTURE(r.computed);
        CAPTURE(r.printed);
        CHECK(golden::holds(r));
    }
}
} // namespace

TEST_CASE("every printed value of Step-3's Tables 2, 3 and 6 is reproduced to the digit") { run<golden::step3>(); }
TEST_CASE("so is what the report says in Tables 4, 5 and 7, in its text and in section 6") {
    run<golden::step3_text>();
}
TEST_CASE("figures that others have published come out of the same formulas") { run<golden::others>(); }

TEST_CASE("the same rows come out when they are computed at run time") {
    const golden::step3_rows again = golden::make_step3_rows();
    for (int i = 0; i < golden::models * golden::columns; ++i) {
        CHECK(again.rows[i].computed == doctest::Approx(golden::step3.rows[i].computed).epsilon(1e-14));
        CHECK(golden::holds(again.rows[i]));
    }
}

TEST_CASE("a digit that is off does not hold") {
    CHECK_FALSE(golden::holds({"", "", 0.0546, 0.054, .001}));
    CHECK_FALSE(golden::holds({"", "", 2.806e-19, 2.80e-19, 1e-21}));
    CHECK(golden::holds({"", "", 0.0544, 0.054, .001}));
}
