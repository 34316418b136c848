// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/rack.hpp>

#include <ashlar/plan/catalog_racks.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

TEST_CASE("sums over a rack are what its vendor announces") {
    CHECK(scale_up_total(catalog::gb200_nvl72).value == doctest::Approx(130e12).epsilon(5e-3));
    CHECK(scale_up_total(catalog::vera_rubin_nvl72).value == doctest::Approx(260e12).epsilon(5e-3));
    CHECK(bandwidth_total(catalog::vera_rubin_nvl72).value == doctest::Approx(1.6e15).epsilon(2e-2));
    CHECK(memory_total(catalog::vera_rubin_nvl72).value == doctest::Approx(20.7e12).epsilon(5e-3));
    CHECK(peak_total(catalog::lpx, math::fp8).value == doctest::Approx(315e15).epsilon(5e-3));
    CHECK(memory_total(catalog::lpx) == 128_GB);
    CHECK(bandwidth_total(catalog::lpx).value == doctest::Approx(40e15));
    CHECK(scale_up_total(catalog::lpx).value == doctest::Approx(640e12));
    CHECK(memory_total(catalog::cloudmatrix_384).value == doctest::Approx(49.2e12).epsilon(2e-3));
    CHECK(peak_total(catalog::cloudmatrix_384, math::int8).value / 384 == doctest::Approx(1.5e15).epsilon(5e-3));
}

TEST_CASE("prefill devices add memory and FLOPS, and stand outside the scale-up domain") {
    const rack& cpx = catalog::vera_rubin_nvl144_cpx;
    CHECK(cpx.devices() == 72);
    CHECK(memory_total(cpx) == memory_total(catalog::vera_rubin_nvl72) + 144 * 128_GB);
    CHECK(scale_up_total(cpx) == scale_up_total(catalog::vera_rubin_nvl72));
    CHECK(cpx.prefill.scale_up == units::wire_rate());
    CHECK(cpx.is == status::cancelled);
    CHECK(cpx.prefill.is == cpx.is);
    // 1.7 PB/s were announced, with the Rubin of that time: today's has more.
    CHECK(bandwidth_total(cpx).value == doctest::Approx(1.7e15).epsilon(0.04));
    CHECK(cpx.main.bandwidth < catalog::rubin.bandwidth);
}
