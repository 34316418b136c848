// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/quantity.hpp>

#include <type_traits>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::literals;

namespace {
template <class From, class To>
constexpr bool becomes = std::is_convertible_v<From, To>;
template <units::byte Size>
struct of_size {
    static constexpr units::byte size = Size;
};
} // namespace

TEST_CASE("products and quotients have the unit that the operands make") {
    static_assert(std::is_same_v<decltype(80_GB / 4_TBps), units::second>);
    static_assert(std::is_same_v<decltype(1_usd / 1_tokens), units::usd_per_token>);
    static_assert(std::is_same_v<decltype(1_PFLOPS / 1_TBps), units::flop_per_byte>);
    static_assert(std::is_same_v<decltype(1_watts * units::second(1)), units::joule>);
    static_assert(std::is_same_v<decltype(1_TFLOPS / 1_GBps * (2_usd_per_hour / 1_TFLOPS) * 1_GBps), units::usd_rate>);
    static_assert(std::is_same_v<decltype(3_GB / 2_GB), double>);
    CHECK((80_GB / 4_TBps).value == 0.02);
    CHECK(3_GB / 2_GB == 1.5);
    CHECK((7.2_usd_per_hour * units::second(1800)).value == doctest::Approx(3.6));
}

TEST_CASE("one unit is added, scaled and compared, and begins at nothing") {
    CHECK(1_GB + 500_MB == 1.5_GB);
    CHECK(1_GB - 500_MB == 0.5_GB);
    CHECK(2 * 3_GB == 12_GB / 2);
    CHECK(1_MB < 1_GB);
    CHECK(max(1_MB, 1_GB) == 1_GB);
    CHECK(min(1_MB, 1_GB) == 1_MB);
    CHECK(units::byte() == 0_GB);
}

TEST_CASE("what a data sheet prints converts in words, never by itself") {
    CHECK(one_way(both_ways(900_GBps)) == one_way(450_GBps));
    CHECK(dense(with_sparsity(3958_TFLOPS)) == 1979_TFLOPS);
    CHECK(decimal(1_GiB) == units::byte(1'073'741'824.0));
    CHECK(400_Gbps == one_way(50_GBps));
    static_assert(!becomes<units::wire_rate_both_ways, units::wire_rate>);
    static_assert(!becomes<units::wire_rate, units::wire_rate_both_ways>);
    static_assert(!becomes<units::byte_rate, units::wire_rate>); // a memory is no wire
    static_assert(!becomes<units::sparse_flop_rate, units::flop_rate>);
    static_assert(!becomes<units::gibibyte, units::byte>);
    static_assert(!becomes<units::token, units::request>);
    static_assert(!becomes<double, units::byte> && !becomes<units::byte, double>);
}

TEST_CASE("seconds of a plan and nanoseconds of the clock become each other") {
    CHECK(exact(50_ms).value == doctest::Approx(0.05).epsilon(1e-15));
    CHECK(nearest(units::second(0.05)) == 50_ms);
    CHECK(nearest(units::second(-1.6e-9)) == duration{-2});
    CHECK(nearest(units::second(1e30)) == duration{std::numeric_limits<std::int64_t>::max()});
    CHECK(nearest(units::second(-1e30)) == duration{std::numeric_limits<std::int64_t>::min()});
    CHECK(nearest(exact(1'234'567_ns)) == 1'234'567_ns);
}

TEST_CASE("a quantity can be a template argument") { CHECK(of_size<80_GB>::size == 80_GB); }
