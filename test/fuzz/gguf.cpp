// SPDX-License-Identifier: Apache-2.0
// Model files: whatever the bytes are, there is a directory whose every promise lies within them, or an error with a
// sentence. What a file offers is read in full: metadata, tensors, Llama's facts, the tokenizer, the chat template.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <support/chat_template.hpp>
#include <support/gguf.hpp>
#include <support/tokenizer.hpp>
#include <support/unicode.hpp>

#include "require.hpp"

using namespace ashlar;

namespace {

void use(const support::tokenizer& words, std::string_view text) {
    for (const auto how : {support::specials::as_text, support::specials::parse}) {
        const auto ids = words.encode(text, how);
        support::detokenizer piecewise(words, false);
        std::string joined;
        for (const auto id : ids) {
            require(words.contains(id));
            joined += piecewise.push(id);
        }
        joined += piecewise.finish();
        require(joined == words.decode(ids, false));
        for (std::size_t at = 0; at < joined.size();) {
            const auto read = support::read_utf8(joined, at);
            require(read.length > 0);
            at += read.length;
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    const auto file = support::gguf::parse(bytes);
    if (!given(file)) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& value : file->values()) {
        given(file->text(value.key)), given(file->count(value.key)), given(file->number(value.key)),
            given(file->flag(value.key));
        given(file->integers(value.key));
        if (const auto list = file->texts(value.key); given(list)) {
            require(list->size() == value.count);
            for (const auto each : *list)
                require(each.data() >= text.data() &&
                        each.size() <= static_cast<std::size_t>(text.end() - each.begin()));
        }
    }
    for (const auto& entry : file->tensors()) {
        require(entry.offset <= size && entry.size <= size - entry.offset);
        if (const auto weights = file->tensor(entry.name); given(weights))
            require(weights->rows > 0 && weights->columns > 0);
    }
    if (const auto facts = file->facts(); given(facts))
        require(facts->heads % facts->kv_heads == 0 && facts->head_dim % 2 == 0 && facts->layers > 0 &&
                facts->vocabulary > 0);
    if (const auto words = support::tokenizer::from(*file); given(words)) {
        given(support::chat_template::from(file->text("tokenizer.chat_template"), *words));
        use(*words, text);
    }
    return 0;
}
