// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>

#include <ashlar/kernel/norm.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

TEST_CASE("RMSNorm and SwiGLU follow float64 for odd widths, with the same bits everywhere") {
    for (const std::size_t width : {1, 7, 16, 33, 576}) {
        const auto x = each::numbers(width, width, 3), w = each::numbers(width, 2);
        std::vector<float> norm(width, each::poison), gated(width, each::poison);
        k::rms_norm<k::portable>(x.data(), w.data(), width, 1e-5f, norm.data());
        k::swiglu<k::portable>(x.data(), w.data(), width, gated.data());
        double squares = 0;
        for (const float a : x) squares += double(a) * a;
        const double scale = 1 / std::sqrt(squares / double(width) + 1e-5);
        for (std::size_t i = 0; i < width; ++i) {
            CHECK(norm[i] == doctest::Approx(x[i] * scale * w[i]).epsilon(1e-6));
            CHECK(gated[i] == doctest::Approx(x[i] / (1 + std::exp(-double(x[i]))) * w[i]).epsilon(1e-6));
        }
        each::kernel([&]<class K>() {
            std::vector<float> out(width, each::poison);
            k::rms_norm<K>(x.data(), w.data(), width, 1e-5f, out.data());
            CHECK(each::same_bits(out, norm));
            out = x; // in place
            k::swiglu<K>(out.data(), w.data(), width, out.data());
            CHECK(each::same_bits(out, gated));
        });
    }
}

TEST_CASE("SwiGLU stays finite far out on both sides") {
    each::kernel([&]<class K>() {
        const float gate[] = {-1e30f, -200, 200, 1e30f}, up[] = {1, 1, 1, 1};
        float out[4];
        k::swiglu<K>(gate, up, 4, out);
        CHECK(std::isfinite(out[0]));
        CHECK(std::abs(out[1]) < 1e-30f);
        CHECK(out[2] == 200);
        CHECK(out[3] == 1e30f);
    });
}
