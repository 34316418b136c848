// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <type_traits>

#include <ashlar/kernel/cpu.hpp>

namespace k = ashlar::kernel;

TEST_CASE("this processor has what this test was built for, and both questions say so") {
    CHECK(k::missing().empty());
    CHECK(k::require_cpu().has_value());
}

TEST_CASE("cpu is the best that the compiler may use") {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
    CHECK(std::is_same_v<k::cpu, k::avx512>);
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
    CHECK(std::is_same_v<k::cpu, k::avx2>);
#else
    CHECK(std::is_same_v<k::cpu, k::portable>);
#endif
}
