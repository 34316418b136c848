// SPDX-License-Identifier: Apache-2.0
// The JSON files beside a checkpoint's weights, read without trusting them.
//
//     auto config = support::checkpoint_config::parse(text);   if (!config) return config.fault();   config->facts
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/model/llama.hpp>

#include <support/outcome.hpp>

namespace ashlar::support {

// config.json of a Llama, Qwen2 or Qwen3. What would change the answer and is not computed is refused, never ignored.
struct checkpoint_config {
    model::llama_facts facts;
    std::vector<float> rope_factors; // head_dim / 2 of them where facts.rope_factors, what divides each frequency

    static outcome<checkpoint_config> parse(std::string_view json);
};

// tokenizer_config.json: what it says beside tokenizer.json.
struct checkpoint_words {
    std::optional<std::string> begin, end; // the tokens' texts
    std::optional<bool> begins;            // whether a text by itself starts with `begin`
    std::optional<std::string> chat;       // a Jinja program; of several the one named "default"

    static outcome<checkpoint_words> parse(std::string_view json);
};

// eos_token_id of generation_config.json or config.json: one, several or none.
outcome<std::vector<token_id>> end_tokens_of(std::string_view json);

// Which shard holds which tensor, from model.safetensors.index.json. Shards are files of the same folder.
outcome<std::map<std::string, std::string>> shards_of_index(std::string_view json);

} // namespace ashlar::support
