// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: whatever the bytes are, there is a tokenizer whose every id has bytes and whose decoding is UTF-8, or
// an error with a sentence. The pre-tokenizers split any text into pieces that are the text.
#include <cstdint>
#include <string>
#include <string_view>

#include <support/tokenizer.hpp>
#include <support/unicode.hpp>

#include "require.hpp"

using namespace ashlar;

namespace {

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto read = support::read_utf8(text, at);
        if (read.length == 0) return false;
        at += read.length;
    }
    return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (is_utf8(text)) {
        using enum support::pretokenizer;
        for (const auto kind : {smollm, gpt2, llama3, qwen2})
            for (std::size_t at = 0, end; at < size; at = end) {
                end = support::end_of_word(kind, text, at);
                require(end > at && end <= size);
            }
    }
    const auto words = support::tokenizer::from_json(text);
    if (!words) return require(!words.fault().sentence.empty()), 0;
    for (const auto how : {support::specials::as_text, support::specials::parse}) {
        const auto ids = words->encode(text, how);
        for (const auto id : ids) require(words->contains(id) && !words->bytes_of(id).empty());
        require(is_utf8(words->decode(ids, false)));
    }
    return 0;
}
