// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/kernel/mask.hpp>
#include <ashlar/kernel/sample.hpp>

using namespace ashlar;

TEST_CASE("what is forbidden is never sampled, whatever the logits are; what is allowed keeps its logit") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const std::size_t vocabulary : {1u, 63u, 64u, 65u, 200u}) {
        kernel::sample_scratch room(vocabulary);
        for (std::uint64_t seed = 0; seed < 50; ++seed) {
            std::vector<float> logits(vocabulary), before;
            for (std::size_t i = 0; i < vocabulary; ++i) {
                logits[i] = unit_float(mix(seed, i)) * 8 - 4;
                if (mix(seed, 1000 + i) % 16 == 0) logits[i] = std::numeric_limits<float>::quiet_NaN();
                if (mix(seed, 2000 + i) % 16 == 0) logits[i] = -infinity;
            }
            before = logits;
            std::vector<std::uint64_t> bits(kernel::mask_words(vocabulary), seed == 7 ? ~std::uint64_t{0} : 0);
            std::size_t allowed = seed == 7 ? vocabulary : 0;
            for (std::size_t i = 0; i < vocabulary && seed != 7; ++i) {
                if (mix(seed, 3000 + i) % 8 == 0) kernel::allow(bits, static_cast<token_id>(i)), ++allowed;
            }
            CHECK(kernel::apply_mask(logits, bits) == allowed);
            for (std::size_t i = 0; i < vocabulary; ++i) {
                if (!kernel::is_allowed(bits, static_cast<token_id>(i)))
                    CHECK(logits[i] == -infinity);
                else if (before[i] == before[i] && before[i] != -infinity)
                    CHECK(logits[i] == before[i]);
                else
                    CHECK(logits[i] == std::numeric_limits<float>::lowest());
            }
            if (allowed == 0) continue;
            for (const float temperature : {0.0f, 1.0f}) {
                const kernel::sampling how{
                    .temperature = temperature, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed};
                const auto chosen = kernel::sample(logits, how, 3, room);
                CHECK(kernel::is_allowed(bits, chosen));
            }
        }
    }
}

TEST_CASE("single tokens are allowed and forbidden; none lies behind the mask") {
    std::vector<std::uint64_t> bits(kernel::mask_words(130));
    REQUIRE(bits.size() == 3);
    for (const token_id token : {0, 63, 64, 129}) {
        CHECK_FALSE(kernel::is_allowed(bits, token));
        kernel::allow(bits, token);
        CHECK(kernel::is_allowed(bits, token));
    }
    kernel::forbid(bits, 64);
    CHECK_FALSE(kernel::is_allowed(bits, 64));
    CHECK(kernel::is_allowed(bits, 63));
    CHECK_FALSE(kernel::is_allowed(bits, 192));
    CHECK_FALSE(kernel::is_allowed(bits, -1));
}
