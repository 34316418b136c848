// SPDX-License-Identifier: Apache-2.0
// Strong ids: a block is not a layer is not a request. Ids that two modules share live here, so that neither has to
// include the other. Value types, ordered, hashable by their `value`.
//
//     block_id b{7};  request_id r{7};   // b == r does not compile
#pragma once

#include <compare>
#include <cstdint>

namespace ashlar::inline v0 {

template <class Tag, class Rep>
struct strong_id {
    using rep = Rep;
    Rep value{};
    friend constexpr bool operator==(const strong_id&, const strong_id&) = default; // nvcc 13.0 forgets the implied one
    friend constexpr auto operator<=>(const strong_id&, const strong_id&) = default;
};

using request_id = strong_id<struct request_tag, std::uint64_t>;   // one user request, unique in a fleet's epoch
using instance_id = strong_id<struct instance_tag, std::uint32_t>; // one engine process
using epoch_id = strong_id<struct epoch_tag, std::uint64_t>; // one incarnation of an instance: random, never reused
using transfer_id = strong_id<struct transfer_tag, std::uint64_t>;     // one KV transfer of one instance's incarnation
using block_id = strong_id<struct block_tag, std::uint32_t>;           // one physical page of a pool
using generation_id = strong_id<struct generation_tag, std::uint32_t>; // how often a page has changed hands
using layer_id = strong_id<struct layer_tag, std::uint32_t>;

using token_id = std::int32_t; // as tokenizers and model files count them

// A contiguous run of physical pages [first, first + count).
struct block_run {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    friend constexpr bool operator==(const block_run&, const block_run&) = default;
};

} // namespace ashlar::inline v0
