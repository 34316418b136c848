// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kernel/panel.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

TEST_CASE("packing keeps every weight, in whole panels exactly the file's size") {
    for (const auto f : each::formats) {
        const std::uint32_t columns = each::columns(f, 64);
        CHECK(k::packed_bytes(f, 96, columns) == 96 * k::row_bytes(f, columns));
        for (const std::uint32_t rows : {1u, 47u, 48u, 49u, 100u}) {
            const each::matrix m(f, rows, columns, rows);
            std::vector<each::line> bytes(k::packed_bytes(f, rows, columns) / sizeof(each::line) + 1);
            ashlar::serial_workers one;
            k::pack(m.view, bytes[0].bytes, one);
            const k::packed_matrix packed{f, rows, columns, bytes[0].bytes};
            for (std::uint32_t r = 0; r < rows; ++r) {
                std::vector<float> got(columns, each::poison), expected(columns);
                k::unpack_row(packed, r, got.data());
                for (std::uint32_t c = 0; c < columns; ++c) expected[c] = k::element(m.view, r, c);
                REQUIRE(each::same_bits(got, expected));
            }
        }
    }
}

TEST_CASE("rows are packed in the order asked for") {
    const each::matrix m(k::weight_format::f32, 50, 3, 1);
    std::vector<each::line> bytes(k::packed_bytes(k::weight_format::f32, 50, 3) / sizeof(each::line) + 1);
    ashlar::serial_workers one;
    k::pack(m.view, bytes[0].bytes, one, [](std::uint32_t row) { return 49 - row; });
    for (const std::uint32_t r : {0u, 1u, 47u, 48u, 49u}) {
        float row[3];
        k::unpack_row({k::weight_format::f32, 50, 3, bytes[0].bytes}, r, row);
        for (std::uint32_t c = 0; c < 3; ++c) CHECK(row[c] == k::element(m.view, 49 - r, c));
    }
}

TEST_CASE("columns of plain formats need not come in blocks") {
    for (const auto f : {k::weight_format::f32, k::weight_format::f16, k::weight_format::bf16}) {
        const each::matrix m(f, 50, 7, 1);
        std::vector<each::line> bytes(k::packed_bytes(f, 50, 7) / sizeof(each::line) + 1);
        ashlar::serial_workers one;
        k::pack(m.view, bytes[0].bytes, one);
        float row[7];
        k::unpack_row({f, 50, 7, bytes[0].bytes}, 49, row);
        for (std::uint32_t c = 0; c < 7; ++c) CHECK(row[c] == k::element(m.view, 49, c));
    }
}
