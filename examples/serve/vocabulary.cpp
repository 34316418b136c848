// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.hpp"

#include <stdexcept>

#include <support/chat_template.hpp>
#include <support/model_file.hpp>

namespace serve {

namespace sup = ashlar::support;

struct vocabulary::state {
    ashlar::model::llama_facts facts{};
    ashlar::digest128 fingerprint;
    sup::tokenizer words;
    sup::outcome<sup::chat_template> chat;
    tokenizer_facts about;
};

namespace {
template <class T>
T need(sup::outcome<T> got, const std::string& path) {
    if (!got) throw std::runtime_error(path + ": " + got.fault().sentence);
    return std::move(got).value();
}

sup::outcome<sup::chat_template> chat_of(const sup::outcome<std::string_view>& program) {
    if (!program) return program.fault();
    return sup::chat_template::of(*program);
}
} // namespace

vocabulary::vocabulary(const std::string& path) {
    const auto model = need(sup::model_file::open(path), path);
    const auto program = model.chat_program();
    state_.reset(
        new state{need(model.facts(), path), model.fingerprint(), need(model.words(), path), chat_of(program), {}});
    const auto& frame = state_->words.frame();
    const auto name = [this](std::optional<token_id> id) { return id ? piece(*id) : std::string(); };
    state_->about = {name(frame.begin), name(frame.end), program ? std::string(*program) : std::string()};
}
vocabulary::~vocabulary() = default;

const ashlar::model::llama_facts& vocabulary::facts() const { return state_->facts; }
ashlar::digest128 vocabulary::fingerprint() const { return state_->fingerprint; }
std::vector<token_id> vocabulary::encode(std::string_view text, bool add_special_tokens) const {
    std::vector<token_id> ids;
    const auto& frame = state_->words.frame();
    if (add_special_tokens && frame.begins) ids.push_back(*frame.begin);
    state_->words.encode(text, sup::specials::parse, ids);
    return ids;
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
const std::vector<token_id>& vocabulary::end_tokens() const { return state_->words.frame().ends; }
const tokenizer_facts& vocabulary::about() const { return state_->about; }

} // namespace serve
