// SPDX-License-Identifier: Apache-2.0
// A cache small enough that everything in it runs out, and tokens to fill it.
//
//     kv::cache pages(small);   pages.open({1}, tokens_of(10), 2);
#pragma once

#include <cstddef>
#include <vector>

#include <ashlar/kv/cache.hpp>

namespace ashlar::test {

inline constexpr kv::cache_options small{.pages = 24,
                                         .tokens_per_block = 4,
                                         .sequences_max = 6,
                                         .blocks_per_sequence_max = 12,
                                         .leases_max = 5,
                                         .salt = {1, 2},
                                         .prefix_caching = true};
inline std::vector<token_id> tokens_of(std::size_t n, token_id first = 0) {
    std::vector<token_id> tokens(n);
    for (std::size_t i = 0; i < n; ++i) tokens[i] = first + static_cast<token_id>(i);
    return tokens;
}

} // namespace ashlar::test
