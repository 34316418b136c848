// SPDX-License-Identifier: Apache-2.0
// Every word of the vocabularies, against the one that is spelt in plain C++.
#include <doctest/doctest.h>

#include <cmath>

#include <ashlar/kernel/simd_avx2.hpp>
#include <ashlar/kernel/simd_avx512.hpp>
#include <ashlar/kernel/simd_portable.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

namespace {

std::vector<float> nasty() {
    auto x = each::numbers(256, 3, 100);
    const float more[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, 65504, 65520, 1e-8f,
                          -6e-8f, 1e-40f, 3e38f,    0.5f,      1.5f,  2.5f};
    x.insert(x.end(), std::begin(more), std::end(more));
    x.resize(x.size() / 16 * 16 + 16, -1.0f);
    return x;
}

template <class K>
std::vector<float> run() {
    const auto x = nasty();
    std::vector<float> out;
    const auto keep = [&](typename K::vec v) {
        out.resize(out.size() + 16);
        K::store(out.data() + out.size() - 16, v);
    };
    for (std::size_t i = 0; i + 32 <= x.size(); i += 16) {
        const auto a = K::load(x.data() + i), b = K::load(x.data() + i + 16);
        keep(K::fma(a, b, a)), keep(K::add(a, b)), keep(K::mul(a, b)), keep(K::negate(a));
        keep(K::max(a, b)), keep(K::min(a, b)), keep(K::swap_pairs(a)), keep(K::select_ge(a, b, a, K::set1(7)));
        keep(K::div(a, K::set1(3)));
        for (std::size_t n = 0; n <= 16; ++n) keep(K::select_first(n, a, b)), keep(K::load_first(x.data() + i, n));
        al::f16 halves[16];
        al::bf16 brains[16];
        K::store(halves, a), K::store(brains, a);
        keep(K::load(halves)), keep(K::load(brains));
        if (i < 256) {
            keep(K::round(a)), keep(K::power2(K::round(a)));
            out.push_back(K::sum(a)), out.push_back(K::highest(a));
        }
    }
    al::scaled16 integers[16];
    for (int i = 0; i < 16; ++i) integers[i] = {static_cast<std::uint16_t>(i * 4369)};
    keep(K::load(integers));
    std::int8_t bytes[16];
    std::byte packed[64];
    for (int i = 0; i < 16; ++i) bytes[i] = static_cast<std::int8_t>(i * 17 - 128);
    for (int i = 0; i < 64; ++i) packed[i] = static_cast<std::byte>(i * 37);
    keep(K::load(bytes));
    auto q = K::load_nibbles(packed);
    for (int i = 0; i < 8; ++i, q = K::next_nibble(q)) keep(K::low_nibble(q));
    typename K::vec many[16];
    for (std::size_t i = 0; i < 16; ++i) many[i] = K::load(x.data() + i * 16);
    keep(K::sums(many));
    return out;
}

} // namespace

TEST_CASE("all vocabularies compute the same bits") {
    const auto expected = run<k::portable>();
    each::kernel([&]<class K>() {
        CAPTURE(std::string(K::name));
        const auto got = run<K>();
        REQUIRE(got.size() == expected.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
            if (std::isnan(got[i]) && std::isnan(expected[i])) continue; // a NaN's payload is nobody's business
            REQUIRE(std::bit_cast<std::uint32_t>(got[i]) == std::bit_cast<std::uint32_t>(expected[i]));
        }
    });
}

TEST_CASE("sixteen sums at once are the sums one by one, in the vectors' order") {
    each::kernel([&]<class K>() {
        const auto x = each::numbers(256, 5);
        typename K::vec many[16];
        for (std::size_t i = 0; i < 16; ++i) many[i] = K::load(x.data() + i * 16);
        float all[16];
        K::store(all, K::sums(many));
        for (std::size_t i = 0; i < 16; ++i) CHECK(all[i] == K::sum(many[i]));
    });
}

TEST_CASE("a partial store leaves what lies behind it alone") {
    each::kernel([&]<class K>() {
        for (std::size_t n = 1; n <= 16; ++n) {
            std::vector<float> to(n); // the sanitizer guards what lies behind
            K::store_first(to.data(), K::set1(3), n);
            CHECK(to == std::vector<float>(n, 3.0f));
        }
    });
}
