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
} // namespace

vocabulary::vocabulary(const std::string& path) {
    const auto model = need(sup::model_file::open(path), path);
    const auto program = model.chat_program();
    auto words = need(model.words(), path);
    auto chat = sup::chat_template::from(program, words);
    state_.reset(new state{need(model.facts(), path), model.fingerprint(), std::move(words), std::move(chat), {}});
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
std::variant<std::vector<token_id>, api_error> vocabulary::encode_chat(const std::vector<chat_message>& messages,
                                                                       std::string_view tools) const {
    const auto refuse = [](std::string sentence, std::string code) {
        return api_error{400, std::move(sentence), "messages", "invalid_request_error", std::move(code)};
    };
    if (!state_->chat) return refuse("this model does not chat: " + why_no_chat(), "chat_format_unknown");
    std::vector<token_id> ids;
    const auto done = state_->chat->encode(messages, tools, state_->words, ids);
    if (done) return ids;
    const bool own = done.fault().what.code == ashlar::errc::invalid_argument; // the template's words
    return refuse((own ? "the model's chat template refuses the conversation: " : "") + done.fault().sentence,
                  done.fault().what.code == ashlar::errc::exhausted ? "context_length_exceeded" : "");
}
std::string vocabulary::why_no_chat() const { return state_->chat ? "" : state_->chat.fault().sentence; }
std::string vocabulary::bytes(token_id token) const {
    return state_->words.is_special(token) ? std::string() : std::string(state_->words.bytes_of(token));
}
std::string vocabulary::piece(token_id token) const { return std::string(state_->words.bytes_of(token)); }
const std::vector<token_id>& vocabulary::end_tokens() const { return state_->words.frame().ends; }
const tokenizer_facts& vocabulary::about() const { return state_->about; }

} // namespace serve
