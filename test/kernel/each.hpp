// SPDX-License-Identifier: Apache-2.0
// The vocabularies that this test program was compiled with, and numbers to try them on.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/weight.hpp>

namespace each {

namespace al = ashlar;
namespace k = ashlar::kernel;

// Calls body.operator()<Kernel>() for all of them; says which are missing.
template <class Body>
void kernel(Body&& body) {
    body.template operator()<k::portable>();
#if ASHLAR_KERNEL_AVX2
    body.template operator()<k::avx2>();
#else
    MESSAGE("AVX2 is not tested: this build may not use it");
#endif
#if ASHLAR_KERNEL_AVX512
    body.template operator()<k::avx512>();
#else
    MESSAGE("AVX-512 is not tested: this build may not use it");
#endif
}

inline constexpr auto formats = [] { // those with blocks of 256 columns last
    std::array<k::weight_format, k::weight_formats> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<k::weight_format>(i);
    return out;
}();
// At least `least` columns, in whole blocks.
inline std::uint32_t columns(k::weight_format f, std::uint32_t least) {
    return (least + k::block_columns(f) - 1) / k::block_columns(f) * k::block_columns(f);
}
inline constexpr float poison = std::numeric_limits<float>::quiet_NaN();

inline std::vector<float> numbers(std::size_t count, std::uint64_t seed, float scale = 1) {
    al::random_stream random{.seed = seed};
    std::vector<float> out(count);
    for (float& x : out) x = (random.unit() * 2 - 1) * scale;
    return out;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// A matrix of random weights in a file's bytes.
struct matrix {
    std::vector<std::byte> bytes;
    k::weight_view view;

    matrix(k::weight_format f, std::uint32_t rows, std::uint32_t columns, std::uint64_t seed) {
        al::random_stream random{.seed = seed};
        bytes.resize(rows * k::row_bytes(f, columns));
        const auto put = [&](std::size_t at, auto value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
        const auto unit = [&] { return random.unit() * 2 - 1; };
        const std::size_t block = k::block_bytes(f);
        for (std::size_t at = 0; at < bytes.size(); at += block) {
            for (std::size_t i = 0; i < block; ++i) bytes[at + i] = static_cast<std::byte>(random.next());
            if (f == k::weight_format::f32)
                put(at, unit());
            else if (f == k::weight_format::bf16)
                put(at, al::to<al::bf16>(unit()));
            else if (f == k::weight_format::f16)
                put(at, al::to<al::f16>(unit()));
            else if (f == k::weight_format::q6_k)
                put(at + 208, al::to<al::f16>(unit() * 0.001f));
            else
                put(at, al::to<al::f16>(unit() * (block > 34 ? 0.001f : 0.05f)));
            if (f == k::weight_format::q4_1 || f == k::weight_format::q5_1) put(at + 2, al::to<al::f16>(unit() * 0.4f));
            if (f == k::weight_format::q4_k || f == k::weight_format::q5_k)
                put(at + 2, al::to<al::f16>(unit() * 0.01f));
        }
        view = {f, bytes.data(), rows, columns};
    }
};

struct alignas(64) line {
    std::byte bytes[64];
};

} // namespace each
