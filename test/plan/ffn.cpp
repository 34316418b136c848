// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/ffn.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;

TEST_CASE("a dense layer is a mixture of one shared expert") {
    constexpr ffn plain = dense(18432);
    CHECK_FALSE(plain.routed());
    CHECK(plain.sparsity() == 1);
    CHECK(ffn_flop(plain, 7168).value == 2.0 * 3 * 7168 * 18432);
    CHECK(ffn_weights(plain, 7168) == 3.0 * 7168 * 18432);
}

TEST_CASE("a token pays for the experts that it visits, a device keeps them all") {
    constexpr ffn routed = moe({.experts = 48, .active = 3, .shared = 1, .width = 5120});
    CHECK(routed.sparsity() == doctest::Approx(0.0816).epsilon(1e-3));
    CHECK(ffn_flop(routed, 7168).value == 2.0 * 3 * 7168 * 5120 * 4);
    CHECK(ffn_weights(routed, 7168) == 3.0 * 7168 * 5120 * 49 + 48.0 * 7168); // and a gate
    CHECK(ffn_weights(hash_routed(routed), 7168) == 3.0 * 7168 * 5120 * 49);  // which a hash does not need
    CHECK(ffn_flop(hash_routed(routed), 7168) == ffn_flop(routed, 7168));
}
