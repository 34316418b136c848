// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a tokenizer.json.
#include <algorithm>
#include <string>
#include <utility>

#include <support/json.hpp>
#include <support/nfc.hpp>
#include <support/tokenizer_builder.hpp>

namespace ashlar::support {
namespace {
using nlohmann::json;

fault unsupported(const std::string& what) { return make_fault(errc::unsupported, what); }
fault damaged(const std::string& what) { return make_fault(errc::corrupt, what); }

// What an object says under a key; null where it says nothing.
const json& at(const json& object, const char* key) {
    static const json nothing;
    const auto found = object.find(key);
    return object.is_object() && found != object.end() ? *found : nothing;
}
bool on(const json& object, const char* key) { return at(object, key) == true; }

// The splits that a list of steps makes before "ByteLevel", which must be the last.
std::optional<pretokenizer> pretokenizer_of(const json& step) {
    const json steps = at(step, "type") == "Sequence" ? at(step, "pretokenizers") : json::array({step});
    if (!steps.is_array() || steps.empty() || steps.size() > 2) return {};
    const json& level = steps.back();
    if (at(level, "type") != "ByteLevel" || at(level, "add_prefix_space") != false) return {};
    const bool pattern = at(level, "use_regex").is_null() || on(level, "use_regex"); // GPT-2's
    if (steps.size() == 1) return pattern ? std::optional(pretokenizer::gpt2) : std::nullopt;
    const json& first = steps.front();
    if (at(first, "type") == "Digits" && on(first, "individual_digits") && pattern) return pretokenizer::smollm;
    if (at(first, "type") != "Split" || at(first, "behavior") != "Isolated" || on(first, "invert") || pattern)
        return {};
    const json& regex = at(at(first, "pattern"), "Regex");
    if (regex == llama3_pattern) return pretokenizer::llama3;
    if (regex == qwen2_pattern) return pretokenizer::qwen2;
    return regex == gpt2_pattern ? std::optional(pretokenizer::gpt2) : std::nullopt;
}

bool is_id(const json& value) {
    return value.is_number_unsigned() && value.get<std::uint64_t>() < tokenizer_builder::vocabulary_max;
}
std::string_view text_of(const json& value) { return value.get_ref<const std::string&>(); }

// Tokens by id: those of the model, then those added, which may name one of the model's again.
std::optional<fault> read_tokens(const json& file, tokenizer_parts& parts) {
    const json &vocabulary = at(at(file, "model"), "vocab"), &added = at(file, "added_tokens");
    if (!vocabulary.is_object() || !(added.is_array() || added.is_null()))
        return damaged("there is no 'vocab', or 'added_tokens' is no list");
    const std::size_t most = vocabulary.size() + added.size();
    const auto put = [&](std::string_view text, const json& id, token_type type) {
        if (!is_id(id) || id.get<std::size_t>() >= most) return false; // ids are 0, 1, …: none can be larger
        const auto index = id.get<std::size_t>();
        if (index >= parts.texts.size()) parts.texts.resize(index + 1), parts.types.resize(index + 1, normal);
        if (!parts.texts[index].empty() && parts.texts[index] != text) return false;
        parts.texts[index] = text;
        parts.types[index] = type;
        return true;
    };
    for (const auto& item : vocabulary.items())
        if (!put(item.key(), item.value(), normal))
            return damaged("the id of token " + in_quotes(item.key()) + " is not its own");
    for (const auto& token : added) {
        const json& text = at(token, "content");
        if (!text.is_string()) return damaged("an added token has no 'content'");
        for (const char* key : {"single_word", "lstrip", "rstrip"})
            if (on(token, key))
                return unsupported("added token " + in_quotes(text_of(text)) + " asks for '" + key + "'");
        const std::string_view content = text_of(text);
        if (!put(content, at(token, "id"), on(token, "special") ? control : user_defined))
            return damaged("the id of added token " + in_quotes(content) + " is not its own");
        if (!on(token, "normalized")) continue;
        if (parts.composes && nfc(content) != content)
            return unsupported("added token " + in_quotes(content) + " is to be normalised, and is not NFC");
        const auto id = at(token, "id").get<std::size_t>();
        if (id >= parts.composed.size()) parts.composed.resize(id + 1);
        parts.composed[id] = true;
    }
    return {}; // a hole is an empty text, which the builder refuses
}

// What a text by itself begins with ("single" of a "TemplateProcessing"); nothing may follow it.
std::optional<fault> read_frame(const json& step, tokenizer_parts& parts) {
    const json& type = at(step, "type");
    if (step.is_null() || type == "ByteLevel") return {}; // that changes offsets only
    if (type == "Sequence" && at(step, "processors").is_array()) {
        for (const json& each : at(step, "processors"))
            if (auto why = read_frame(each, parts)) return why;
        return {};
    }
    const json& single = at(step, "single");
    if (type != "TemplateProcessing" || !single.is_array() || single.empty() || single.size() > 2 ||
        at(at(single.back(), "Sequence"), "id") != "A")
        return unsupported("the post-processor does something else than to begin a text with one token");
    if (single.size() == 1) return {};
    const json& name = at(at(single.front(), "SpecialToken"), "id");
    const json& ids = at(at(at(step, "special_tokens"), name.is_string() ? text_of(name).data() : ""), "ids");
    if (!ids.is_array() || ids.size() != 1 || !is_id(ids[0]) || ids[0] >= parts.texts.size())
        return damaged("the post-processor begins a text with what is no token");
    parts.begin = parts.texts[ids[0].get<std::size_t>()];
    return {};
}
} // namespace

outcome<tokenizer> tokenizer::from_json(std::string_view text) {
    const auto read = read_json(text, "the file");
    if (!read) return read.fault();
    const json& model = at(*read, "model");
    if (at(model, "type") != "BPE") return unsupported("the model is no BPE");
    for (const char* key : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
        if (const json& value = at(model, key); !value.is_null() && value != "")
            return unsupported("the model asks for '" + std::string(key) + "'");
    if (on(model, "byte_fallback")) return unsupported("the model asks for 'byte_fallback'");
    const json& normalizer = at(*read, "normalizer");
    if (!normalizer.is_null() && at(normalizer, "type") != "NFC") return unsupported("the text is to be normalised");
    const auto words = pretokenizer_of(at(*read, "pre_tokenizer"));
    if (!words) return unsupported("the pre-tokenizer is none of those of GPT-2, SmolLM, Llama 3 and Qwen2");
    tokenizer_parts parts{.texts = {},
                          .types = {},
                          .merges = {},
                          .words = *words,
                          .whole_words = on(model, "ignore_merges"),
                          .composes = !normalizer.is_null(),
                          .composed = {},
                          .begin = {}};
    if (auto why = read_tokens(*read, parts)) return *why;
    if (auto why = read_frame(at(*read, "post_processor"), parts)) return *why;
    const json& merges = at(model, "merges");
    if (!merges.is_array()) return damaged("there are no 'merges'");
    for (const auto& merge : merges) { // "a b", or since 2024 ["a", "b"]
        const bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
        if (!pair && !merge.is_string()) return damaged("a merge is neither a text nor two");
        parts.merges.push_back(pair ? std::pair(text_of(merge[0]), text_of(merge[1]))
                                    : tokenizer_builder::halves(text_of(merge)));
    }
    return tokenizer_builder::build(parts);
}

} // namespace ashlar::support
