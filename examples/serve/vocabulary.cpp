// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.hpp"

#include <algorithm>
#include <stdexcept>

#include <support/chat_template.hpp>
#include <support/gguf.hpp>
#include <support/tokenizer.hpp>

#include "fingerprint.hpp"

namespace serve {

namespace sup = ashlar::support;

struct vocabulary::state {
    ashlar::model::llama_facts facts{};
    ashlar::digest128 fingerprint;
    sup::tokenizer words;
    sup::outcome<sup::chat_template> chat;
    std::vector<token_id> ends;
    tokenizer_facts about;
};

namespace {
template <class T>
T need(sup::outcome<T> got, const std::string& path) {
    if (!got) throw std::runtime_error(path + ": " + got.fault().sentence);
    return std::move(got).value();
}
} // namespace

vocabulary::vocabulary(const std::string& path) {
    const auto file = need(sup::gguf_file::open(path), path);
    state_.reset(new state{need(file.facts(), path),
                           fingerprint_of(file),
                           need(sup::tokenizer::from(file.directory()), path),
                           sup::chat_template::from(file.directory()),
                           {},
                           {}});
    const auto add = [this](std::optional<token_id> id) {
        if (id && std::find(state_->ends.begin(), state_->ends.end(), *id) == state_->ends.end())
            state_->ends.push_back(*id);
    };
    add(state_->words.end_of_text());
    if (const auto turn = file->count("tokenizer.ggml.eot_token_id")) add(static_cast<token_id>(*turn));
    add(state_->words.special("<|im_end|>"));
    add(state_->words.special("<|endoftext|>"));
    const auto name = [this](std::optional<token_id> id) { return id ? piece(*id) : std::string(); };
    const auto program = file.directory().text("tokenizer.chat_template");
    state_->about = {name(state_->words.begin_of_text()), name(state_->words.end_of_text()),
                     program ? std::string(*program) : std::string()};
}
vocabulary::~vocabulary() = default;

const ashlar::model::llama_facts& vocabulary::facts() const { return state_->facts; }
ashlar::digest128 vocabulary::fingerprint() const { return state_->fingerprint; }
std::vector<token_id> vocabulary::encode(std::string_view text) const {
    return state_->words.encode(text, sup::specials::parse);
}
std::variant<std::vector<token_id>, api_error>
vocabulary::encode_chat(const std::vector<chat_message>& messages) const {
    const auto refuse = [](const sup::fault& why) {
        return api_error{400, "this model does not chat: " + why.sentence, "messages", "invalid_request_error",
                         "chat_format_unknown"};
    };
    if (!state_->chat) return refuse(state_->chat.fault());
    std::vector<sup::chat_turn> turns;
    for (const auto& each : messages) turns.push_back({each.role, each.content});
    std::vector<token_id> ids;
    const auto done = state_->chat->encode(turns, state_->words, ids);
    if (!done) return refuse(done.fault());
    return ids;
}
std::string vocabulary::bytes(token_id token) const {
    return state_->words.is_special(token) ? std::string() : std::string(state_->words.bytes_of(token));
}
std::string vocabulary::piece(token_id token) const { return std::string(state_->words.bytes_of(token)); }
const std::vector<token_id>& vocabulary::end_tokens() const { return state_->ends; }
const tokenizer_facts& vocabulary::about() const { return state_->about; }

} // namespace serve
