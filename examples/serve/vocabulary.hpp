// SPDX-License-Identifier: Apache-2.0
// A model from a server's point of view: its facts, its words, its chat format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/model/llama.hpp>

#include "openai.hpp"

namespace serve {

class vocabulary {
public:
    // Throws std::runtime_error with a sentence for a person.
    explicit vocabulary(const std::string& path);
    ~vocabulary();

    const ashlar::model::llama_facts& facts() const;
    ashlar::digest128 fingerprint() const; // of everything in its files but the weights' bytes
    std::vector<token_id> encode(std::string_view text, bool add_special_tokens) const;
    // With the assistant's header. `tools`: a JSON list, or nothing. An error: the model does not chat, or its template
    // refuses this conversation.
    std::variant<std::vector<token_id>, api_error> encode_chat(const std::vector<chat_message>& messages,
                                                               std::string_view tools) const;
    std::string why_no_chat() const;         // in words; empty: it chats
    std::string bytes(token_id token) const; // as text; empty for special tokens
    std::string piece(token_id token) const; // the same, special tokens by their name
    const std::vector<token_id>& end_tokens() const;
    const tokenizer_facts& about() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace serve
