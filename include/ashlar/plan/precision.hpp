// SPDX-License-Identifier: Apache-2.0
// How a number is stored, with the overhead of its scales, and what it is multiplied in.
//
//     constexpr double b = stored::nvfp4.bytes();   // 0.5625: 4 bits and an 8-bit scale for every 16 elements
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>

namespace ashlar::inline v0::plan {

// What a tensor core multiplies: the index of a device's peaks.
enum class math : std::uint8_t { fp32, bf16, fp8, int8, fp4 };
inline constexpr int math_kinds = 5;

struct precision {
    math in = math::bf16;
    int bits = 16;
    int scale_bits = 0; // of one scale for `block` elements
    int block = 1;

    constexpr double bytes() const { return static_cast<double>(bits * block + scale_bits) / (8 * block); }
    constexpr units::byte of(double elements) const { return units::byte(elements * bytes()); }
    friend constexpr bool operator==(const precision&, const precision&) = default;
};

namespace stored {
inline constexpr precision fp32{math::fp32, 32};
inline constexpr precision bf16{math::bf16, 16};
inline constexpr precision fp8{math::fp8, 8};                   // scales left out, as the Step-3 report counts
inline constexpr precision fp8_block128{math::fp8, 8, 32, 128}; // DeepSeek-V3: an fp32 scale for 1x128
inline constexpr precision mxfp8{math::fp8, 8, 8, 32};          // OCP MX 1.0: an e8m0 scale for 32
inline constexpr precision int8{math::int8, 8};
inline constexpr precision mxfp4{math::fp4, 4, 8, 32}; // OCP MX 1.0
inline constexpr precision nvfp4{math::fp4, 4, 8, 16}; // NVIDIA: an e4m3 scale for 16
} // namespace stored

} // namespace ashlar::inline v0::plan
