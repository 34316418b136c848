// SPDX-License-Identifier: Apache-2.0
// Checkpoints of Hugging Face's kind: whatever the bytes are, as a safetensors file and as each of the JSON files
// beside one, what is promised lies within them, or there is an error with a sentence.
#include <cstdint>
#include <string_view>

#include <support/checkpoint_config.hpp>
#include <support/safetensors.hpp>

#include "require.hpp"

using namespace ashlar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto file = support::safetensors::parse(std::as_bytes(std::span(data, size))); given(file)) {
        std::size_t all = 0;
        unsigned sum = 0;
        for (const auto& tensor : file->tensors()) {
            all += tensor.data.size();
            for (const std::byte b : tensor.data) sum += std::to_integer<unsigned>(b);
            if (const auto weights = tensor.weights(); given(weights))
                require(weights->well_formed() && weights->bytes() == tensor.data.size());
        }
        require(all + 8 <= size && sum <= 255 * size);
    }
    if (const auto config = support::checkpoint_config::parse(text); given(config)) {
        const auto& f = config->facts;
        require(f.layers > 0 && f.heads % f.kv_heads == 0 && f.head_dim % 2 == 0 && f.vocabulary > 0);
        require(!f.rope_factors || config->rope_factors.size() == f.head_dim / 2);
        for (const float factor : config->rope_factors) require(factor > 0);
    }
    if (const auto shards = support::shards_of_index(text); given(shards))
        for (const auto& [tensor, shard] : *shards) require(!shard.empty() && shard.find('/') == std::string::npos);
    if (const auto words = support::checkpoint_words::parse(text); given(words))
        require(!words->chat || words->chat->size() <= size);
    if (const auto ends = support::end_tokens_of(text); given(ends))
        for (const auto id : *ends) require(id >= 0);
    return 0;
}
