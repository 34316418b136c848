// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.hpp"

#include <algorithm>
#include <stdexcept>

#include <support/gguf.hpp>
#include <support/tokenizer.hpp>

#include "fingerprint.hpp"

namespace serve {

namespace sup = ashlar::support;

struct vocabulary::state {
    ashlar::model::llama_facts facts{};
    ashlar::digest128 fingerprint;
    sup::tokenizer words;
    std::vector<token_id> ends;
};

namespace {
// What SmolLM2's template says when the messages do not begin with a system message.
constexpr std::string_view default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

template <class T>
T need(sup::outcome<T> got, const std::string& path) {
    if (!got) throw std::runtime_error(path + ": " + got.fault().sentence);
    return std::move(got).value();
}
} // namespace

vocabulary::vocabulary(const std::string& path) {
    const auto file = need(sup::gguf_file::open(path), path);
    state_.reset(new state{need(file.facts(), path), fingerprint_of(file), need(sup::tokenizer::from(file.directory()), path), {}});
    const auto add = [this](std::optional<token_id> id) {
        if (id && std::find(state_->ends.begin(), state_->ends.end(), *id) == state_->ends.end()) state_->ends.push_back(*id);
    };
    add(state_->words.end_of_text());
    if (const auto turn = file->count("tokenizer.ggml.eot_token_id")) add(static_cast<token_id>(*turn));
    add(state_->words.special("<|im_end|>"));
    add(state_->words.special("<|endoftext|>"));
}
vocabulary::~vocabulary() = default;

const ashlar::model::llama_facts& vocabulary::facts() const { return state_->facts; }
ashlar::digest128 vocabulary::fingerprint() const { return state_->fingerprint; }
std::vector<token_id> vocabulary::encode(std::string_view text) const { return state_->words.encode(text, sup::specials::parse); }
std::vector<token_id> vocabulary::encode_chat(const std::vector<chat_message>& messages) const {
    const auto start = state_->words.special("<|im_start|>"), end = state_->words.special("<|im_end|>");
    std::vector<token_id> ids;
    const auto turn = [&](std::string_view role, std::string_view content, bool closed) {
        if (start) ids.push_back(*start);
        state_->words.encode(std::string(role) + "\n" + std::string(content), sup::specials::as_text, ids);
        if (!closed) return;
        if (end) ids.push_back(*end);
        state_->words.encode("\n", sup::specials::as_text, ids);
    };
    if (messages.empty() || messages.front().role != "system") turn("system", default_system, true);
    for (const auto& each : messages) turn(each.role, each.content, true);
    turn("assistant", "", false);
    return ids;
}
std::string vocabulary::bytes(token_id token) const {
    return state_->words.is_special(token) ? std::string() : std::string(state_->words.bytes_of(token));
}
std::string vocabulary::piece(token_id token) const { return std::string(state_->words.bytes_of(token)); }
const std::vector<token_id>& vocabulary::end_tokens() const { return state_->ends; }

} // namespace serve
