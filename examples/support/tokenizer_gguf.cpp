// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a GGUF file.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include <support/gguf.hpp>
#include <support/tokenizer_builder.hpp>

namespace ashlar::support {

outcome<tokenizer> tokenizer_builder::build(const gguf& file) {
    const auto model = file.text("tokenizer.ggml.model");
    if (!model) return model.fault();
    const auto pre = file.text("tokenizer.ggml.pre");
    if (!pre) return pre.fault();
    // llama.cpp's names (src/llama-vocab.cpp)
    constexpr std::pair<std::string_view, pretokenizer> known[] = {{"smollm", pretokenizer::smollm},
                                                                   {"gpt-2", pretokenizer::gpt2},
                                                                   {"llama-bpe", pretokenizer::llama3},
                                                                   {"qwen2", pretokenizer::qwen2}};
    const auto* words = std::ranges::find(known, *pre, &std::pair<std::string_view, pretokenizer>::first);
    if (*model != "gpt2" || words == std::end(known))
        return make_fault(errc::unsupported, "the file's tokenizer is " + in_quotes(*model) + " with pre-tokenizer " +
                                                 in_quotes(*pre) +
                                                 "; only 'gpt2' with 'smollm', 'gpt-2', 'llama-bpe' or 'qwen2' is "
                                                 "built in");
    for (const std::string_view key : {"tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"})
        if (const auto on = file.flag(key); on && *on)
            return make_fault(errc::unsupported,
                              "metadata '" + std::string(key) + "' asks for something that this tokenizer does not do");
    auto texts = file.texts("tokenizer.ggml.tokens");
    if (!texts) return texts.fault();
    auto types = file.integers("tokenizer.ggml.token_type");
    if (!types) return types.fault();
    const auto lines = file.texts("tokenizer.ggml.merges");
    if (!lines) return lines.fault();
    tokenizer_parts parts{.texts = std::move(texts).value(),
                          .types = std::move(types).value(),
                          .merges = {},
                          .words = words->second,
                          .whole_words = words->second == pretokenizer::llama3,
                          .composes = words->second == pretokenizer::qwen2, // as Qwen's own tokenizer.json has it
                          .composed = {},
                          .begin = {}};
    for (const auto line : *lines) parts.merges.push_back(halves(line));
    tokenizer_builder work;
    if (auto why = work.assemble(parts)) return *why;
    if (auto why = work.frame(file)) return *why;
    return std::move(work.out_);
}

std::optional<fault> tokenizer_builder::frame(const gguf& file) {
    auto& frame = out_.frame_;
    std::optional<token_id> turn;
    if (auto why = named(file, "tokenizer.ggml.bos_token_id", frame.begin)) return why;
    if (auto why = named(file, "tokenizer.ggml.eos_token_id", frame.end)) return why;
    if (auto why = named(file, "tokenizer.ggml.eot_token_id", turn)) return why;
    for (const auto& id : {frame.end, turn})
        if (id) frame.ends.push_back(*id);
    constexpr std::string_view key = "tokenizer.ggml.add_bos_token";
    if (!file.has(key)) { // llama.cpp's default
        frame.begins = out_.words_ == pretokenizer::llama3 && frame.begin;
        return {};
    }
    const auto begins = file.flag(key);
    if (!begins) return begins.fault();
    if (*begins && !frame.begin)
        return make_fault(errc::corrupt, "metadata '" + std::string(key) + "' is set, but no 'bos_token_id' is there");
    frame.begins = *begins;
    return {};
}

std::optional<fault> tokenizer_builder::named(const gguf& file, std::string_view key,
                                              std::optional<token_id>& into) const {
    if (!file.has(key)) return {};
    const auto id = file.count(key);
    if (!id) return id.fault();
    if (*id >= out_.size())
        return make_fault(errc::corrupt, "metadata '" + std::string(key) + "' is outside the vocabulary");
    into = static_cast<token_id>(*id);
    return {};
}

outcome<tokenizer> tokenizer::from(const gguf& file) { return tokenizer_builder::build(file); }

} // namespace ashlar::support
