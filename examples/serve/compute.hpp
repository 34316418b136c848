// SPDX-License-Identifier: Apache-2.0
// The model and the threads that compute it: the one place of the server that the kernels are compiled into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/model/llama.hpp>

#include "carrier.hpp"
#include "wire.hpp"

namespace serve {

class computer {
public:
    // Reads and packs the model. Throws std::runtime_error with a sentence.
    computer(const std::string& path, std::uint32_t threads, std::uint32_t batch_tokens, std::uint32_t sequences,
             std::uint32_t context);
    ~computer();

    const ashlar::model::llama_facts& facts() const;
    ashlar::digest128 fingerprint() const;
    std::uint32_t slices_max() const;

    using layer_hook = std::function<bool(ashlar::layer_id)>; // whether to go on
    ashlar::result<void> forward(std::span<const ashlar::model::slice> batch, const kv_layout& layout, std::byte* pool,
                                 const layer_hook& hook);

    // Of the i-th slice of the last batch that asked for logits.
    // What follows `tokens`, which a penalty looks at. `allowed`: a bit for every token that may, at least one; empty:
    // all may.
    wire::chance sample(std::size_t i, const wire::sampling& how, std::span<const ashlar::token_id> tokens,
                        bool may_stop, std::span<const std::uint64_t> allowed);
    wire::chance chance_of(std::size_t i, ashlar::token_id token); // what the model thought of it
    std::uint32_t rank_of(std::size_t i, ashlar::token_id token);  // 1: nothing is likelier
    std::vector<wire::chance> likeliest(std::size_t i, std::uint32_t count);

private:
    struct state;
    std::unique_ptr<state> state_;
};

std::string_view missing_instructions(); // empty, or a sentence

} // namespace serve
