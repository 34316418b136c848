// SPDX-License-Identifier: Apache-2.0
// A vocabulary as a file describes it, and how it becomes a tokenizer. For the source files that read such files.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <support/tokenizer.hpp>

namespace ashlar::support {

// llama.cpp's token types (src/llama.h, llama_token_type).
enum token_type : std::int64_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5 };

// Texts point into the file.
struct tokenizer_parts {
    std::vector<std::string_view> texts;
    std::vector<std::int64_t> types;
    std::vector<std::pair<std::string_view, std::string_view>> merges;
    pretokenizer words;
    bool whole_words;           // a word that is a token is that token, whatever the merges say
    bool composes = false;      // text is brought into normalization form C
    std::vector<bool> composed; // by id: an added token that is found in such text, not before; may be short
    std::string_view begin;     // the token that a text by itself starts with; empty: none
};

class tokenizer_builder {
public:
    static constexpr std::uint32_t vocabulary_max = 1u << 24;

    static outcome<tokenizer> build(const gguf& file);
    static outcome<tokenizer> build(const tokenizer_parts& parts);
    // "left right"; both empty, and so no tokens, if there is no space
    static std::pair<std::string_view, std::string_view> halves(std::string_view line) {
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos) return {};
        return {line.substr(0, space), line.substr(space + 1)};
    }

private:
    std::optional<fault> assemble(const tokenizer_parts& parts);
    std::optional<fault> tokens(const tokenizer_parts& parts);
    std::optional<fault> merges(std::span<const std::pair<std::string_view, std::string_view>> pairs);
    std::optional<fault> frame(const gguf& file);
    std::optional<fault> named(const gguf& file, std::string_view key, std::optional<token_id>& into) const;

    tokenizer out_;
    std::unordered_map<std::string_view, std::uint32_t> ids_;
};

} // namespace ashlar::support
