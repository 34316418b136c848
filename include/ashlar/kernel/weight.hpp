// SPDX-License-Identifier: Apache-2.0
// Weights as a model file stores them: a matrix of `rows` outputs and `columns` inputs, row by row, in one of the
// formats of weight_format.hpp. A view owns nothing; whoever mapped the file keeps it mapped until the weights are
// packed (panel.hpp).
//
//     weight_view w{weight_format::q4_1, bytes, 576, 1536};   if (!w.well_formed()) …;   float x = element(w, 3, 7);
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/core/assert.hpp>
#include <ashlar/kernel/weight_format.hpp>

namespace ashlar::inline v0::kernel {

struct weight_view {
    weight_format format = weight_format::f32;
    const std::byte* data = nullptr; // need not be aligned
    std::uint32_t rows = 0;
    std::uint32_t columns = 0;

    std::size_t bytes() const { return rows * row_bytes(format, columns); }
    bool well_formed() const {
        return data != nullptr && rows > 0 && columns > 0 && static_cast<std::size_t>(format) < weight_formats &&
               columns % block_columns(format) == 0;
    }
};

// One weight in float: the very value that the kernels multiply with.
inline float element(const weight_view& w, std::uint32_t row, std::uint32_t column) {
    ASHLAR_ASSERT(row < w.rows && column < w.columns);
    const format_facts& f = facts(w.format);
    const std::byte* block = w.data + row * row_bytes(w.format, w.columns) + std::size_t{column / f.columns} * f.bytes;
    float part[32];
    f.unpack(block, column % f.columns / 32, part);
    return part[f.columns == 1 ? 0 : column % 32];
}

} // namespace ashlar::inline v0::kernel
