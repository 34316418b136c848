// SPDX-License-Identifier: Apache-2.0
// Weights as a model file stores them: a matrix of `rows` outputs and `columns` inputs, row by row, in one of five
// formats. A view owns nothing; whoever mapped the file keeps it mapped until the weights are packed (panel.hpp).
//
//     weight_view w{weight_format::q4_1, bytes, 576, 1536};   if (!w.well_formed()) …;   float x = element(w, 3, 7);
//
// Quantised formats are GGUF's (ggml-org/ggml, docs/gguf.md and ggml-common.h): blocks of 32 columns of a row,
//     q4_1  f16 d, f16 m, 16 bytes: low nibble of byte j is column j, high nibble column j + 16; x = d q + m   20 bytes
//     q8_0  f16 d, 32 signed bytes;                                                             x = d q       34 bytes
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/number.hpp>

namespace ashlar::inline v0::kernel {

enum class weight_format : std::uint8_t { f32, f16, bf16, q4_1, q8_0 };

// Columns that share a block, and the bytes of a block.
constexpr std::uint32_t block_columns(weight_format f) {
    return f == weight_format::q4_1 || f == weight_format::q8_0 ? 32 : 1;
}
constexpr std::uint32_t block_bytes(weight_format f) {
    constexpr std::uint32_t bytes[] = {4, 2, 2, 20, 34};
    return bytes[static_cast<std::size_t>(f)];
}
constexpr std::size_t row_bytes(weight_format f, std::uint32_t columns) {
    return std::size_t{columns / block_columns(f)} * block_bytes(f);
}

struct weight_view {
    weight_format format = weight_format::f32;
    const std::byte* data = nullptr; // need not be aligned
    std::uint32_t rows = 0;
    std::uint32_t columns = 0;

    std::size_t bytes() const { return rows * row_bytes(format, columns); }
    bool well_formed() const {
        return data != nullptr && rows > 0 && columns > 0 && format <= weight_format::q8_0 &&
               columns % block_columns(format) == 0;
    }
};

template <class T>
T unaligned(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// One weight in float: the very value that the kernels multiply with (q4_1 rounds once, in a fused multiply-add).
inline float element(const weight_view& w, std::uint32_t row, std::uint32_t column) {
    ASHLAR_ASSERT(row < w.rows && column < w.columns);
    const std::byte* line = w.data + row * row_bytes(w.format, w.columns);
    const std::byte* block = line + std::size_t{column / block_columns(w.format)} * block_bytes(w.format);
    switch (w.format) {
    case weight_format::f32:
        return unaligned<float>(block);
    case weight_format::f16:
        return to_float(unaligned<f16>(block));
    case weight_format::bf16:
        return to_float(unaligned<bf16>(block));
    case weight_format::q4_1: {
        const std::uint32_t i = column % 32, byte = std::to_integer<std::uint32_t>(block[4 + i % 16]);
        const auto q = static_cast<float>(i < 16 ? byte & 15 : byte >> 4);
        return __builtin_fmaf(to_float(unaligned<f16>(block)), q, to_float(unaligned<f16>(block + 2)));
    }
    case weight_format::q8_0:
        return to_float(unaligned<f16>(block)) * static_cast<float>(unaligned<std::int8_t>(block + 2 + column % 32));
    }
    return 0;
}

} // namespace ashlar::inline v0::kernel
