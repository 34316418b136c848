// SPDX-License-Identifier: Apache-2.0
// Where a byte-level BPE may not join: text is split into words before tokens are merged, by one of the patterns that
// published models use. `end_of_word` is the pattern's match at `at`, written out by hand.
//
//     for (std::size_t at = 0, end; at < text.size(); at = end) end = support::end_of_word(kind, text, at), …;
//
// Patterns: openai/gpt-2 src/encoder.py; the tokenizer.json of Llama 3 and of Qwen2. smollm splits off every single
// number first and applies GPT-2's pattern between them.
#pragma once

#include <cstddef>
#include <string_view>

namespace ashlar::support {

enum class pretokenizer { smollm, gpt2, llama3, qwen2 };

// As `tokenizer.json` spells them ("Split" of a "Regex").
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view llama3_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

// The end of the word that begins at `at` < text.size(). `text` is UTF-8, at least in structure.
std::size_t end_of_word(pretokenizer kind, std::string_view text, std::size_t at);

} // namespace ashlar::support
