// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>

#include <ashlar/kernel/matmul.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

namespace {

struct packed : each::matrix {
    std::vector<each::line> lines;
    k::packed_matrix weights;
    packed(k::weight_format f, std::uint32_t rows, std::uint32_t columns, std::uint64_t seed)
        : matrix(f, rows, columns, seed), lines(k::packed_bytes(f, rows, columns) / sizeof(each::line) + 1),
          weights{f, rows, columns, lines[0].bytes} {
        ashlar::serial_workers one;
        k::pack(view, lines[0].bytes, one);
    }
};

template <class K>
std::vector<float> multiply(const packed& w, const std::vector<float>& x, std::size_t tokens, bool add = false) {
    std::vector<float> out(tokens * w.view.rows, add ? 1.0f : each::poison);
    const k::product job[] = {{&w.weights, out.data(), w.view.rows, add}};
    ashlar::serial_workers one;
    k::matmul<K>(one, x.data(), w.view.columns, tokens, job);
    return out;
}

} // namespace

TEST_CASE("every element is the stated chain of fused multiply-adds, close to float64, the same on every processor") {
    for (const auto f : each::formats) {
        for (const std::uint32_t rows : {5u, 48u, 67u}) {
            for (const std::uint32_t columns : {each::columns(f, 32), each::columns(f, 288)}) {
                const packed w(f, rows, columns, rows + columns);
                constexpr std::size_t tokens = 11;
                const auto x = each::numbers(tokens * columns, 9);
                std::vector<float> chain(tokens * rows);
                for (std::size_t t = 0; t < tokens; ++t) {
                    for (std::uint32_t r = 0; r < rows; ++r) {
                        float sum = 0;
                        double exact = 0, size = 0;
                        for (std::uint32_t c = 0; c < columns; ++c) {
                            const float a = x[t * columns + c], b = k::element(w.view, r, c);
                            sum = std::fma(a, b, sum);
                            exact += double(a) * b, size += std::abs(double(a) * b);
                        }
                        chain[t * rows + r] = sum;
                        REQUIRE(std::abs(sum - exact) <= size * 1e-6 + 1e-30);
                    }
                }
                each::kernel([&]<class K>() {
                    CAPTURE(std::string(K::name));
                    CHECK(each::same_bits(multiply<K>(w, x, tokens), chain));
                });
            }
        }
    }
}

TEST_CASE("a token's bits do not depend on how many tokens share the product") {
    for (const auto f : each::formats) {
        const std::uint32_t columns = each::columns(f, 288);
        const packed w(f, 53, columns, 4);
        constexpr std::size_t most = 135; // beyond a task's 128
        const auto x = each::numbers(most * columns, 10);
        const auto all = multiply<k::cpu>(w, x, most);
        for (const std::size_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 64, 128, 129}) {
            for (const std::size_t first : {std::size_t{0}, most - tokens}) {
                const std::vector<float> some(x.begin() + std::ptrdiff_t(first * columns), x.end());
                const auto got = multiply<k::cpu>(w, some, tokens);
                CHECK(each::same_bits(got, {all.begin() + std::ptrdiff_t(first * 53),
                                            all.begin() + std::ptrdiff_t((first + tokens) * 53)}));
            }
        }
    }
}

TEST_CASE("a sum is added to what is there with one rounding, for few tokens and for many") {
    const packed w(k::weight_format::q4_1, 50, 64, 6);
    for (const std::size_t tokens : {1, 13}) {
        const auto x = each::numbers(tokens * 64, 2);
        auto expected = multiply<k::cpu>(w, x, tokens);
        for (float& y : expected) y = 1.0f + y;
        each::kernel([&]<class K>() { CHECK(each::same_bits(multiply<K>(w, x, tokens, true), expected)); });
    }
}

TEST_CASE("several matrices of different formats share one input, and strides leave gaps alone") {
    const packed a(k::weight_format::q8_0, 100, 64, 1), b(k::weight_format::f16, 3, 64, 2);
    constexpr std::size_t tokens = 9, stride = 70;
    auto x = each::numbers(tokens * stride, 3);
    std::vector<float> dense;
    for (std::size_t t = 0; t < tokens; ++t) {
        dense.insert(dense.end(), x.begin() + t * stride, x.begin() + t * stride + 64);
        for (std::size_t i = 64; i < stride; ++i) x[t * stride + i] = each::poison;
    }
    std::vector<float> out_a(tokens * 101, -7), out_b(tokens * 5, -7);
    const k::product jobs[] = {{&a.weights, out_a.data(), 101, false}, {&b.weights, out_b.data(), 5, false}};
    ashlar::serial_workers one;
    k::matmul<k::cpu>(one, x.data(), stride, tokens, jobs);
    const auto want_a = multiply<k::cpu>(a, dense, tokens), want_b = multiply<k::cpu>(b, dense, tokens);
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t r = 0; r < 101; ++r) REQUIRE(out_a[t * 101 + r] == (r < 100 ? want_a[t * 100 + r] : -7));
        for (std::size_t r = 0; r < 5; ++r) REQUIRE(out_b[t * 5 + r] == (r < 3 ? want_b[t * 3 + r] : -7));
    }
}
