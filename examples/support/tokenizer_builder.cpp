// SPDX-License-Identifier: Apache-2.0
#include <support/tokenizer_builder.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string>

#include <support/unicode.hpp>

namespace ashlar::support {
namespace {

// GPT-2 writes each byte as a printable character: itself where it is one in Latin-1, otherwise the next free one from
// U+0100 on (openai/gpt-2, src/encoder.py, bytes_to_unicode). This is the way back: character to byte, or -1.
std::array<std::int16_t, 0x144> bytes_of_characters() {
    std::array<std::int16_t, 0x144> out;
    out.fill(-1);
    std::uint32_t next = 0x100;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
        out[printable ? byte : next++] = static_cast<std::int16_t>(byte);
    }
    return out;
}

fault contradiction(std::uint32_t rank) {
    return make_fault(errc::corrupt,
                      "merge " + std::to_string(rank) + " stands twice, or joins what is not in the vocabulary");
}

} // namespace

outcome<tokenizer> tokenizer_builder::build(const tokenizer_parts& parts) {
    tokenizer_builder work;
    if (auto why = work.assemble(parts)) return *why;
    return std::move(work.out_);
}

std::optional<fault> tokenizer_builder::assemble(const tokenizer_parts& parts) {
    out_.words_ = parts.words;
    out_.composes_ = parts.composes;
    if (auto why = tokens(parts)) return why;
    if (auto why = merges(parts.merges)) return why;
    if (!parts.begin.empty()) {
        const auto found = ids_.find(parts.begin);
        if (found == ids_.end())
            return make_fault(errc::corrupt,
                              "texts are to begin with " + in_quotes(parts.begin) + ", which is not in the vocabulary");
        out_.frame_.begin = static_cast<token_id>(found->second);
        out_.frame_.begins = true;
    }
    if (!parts.whole_words) return {};
    for (std::uint32_t id = 0; id < out_.size(); ++id)
        if (parts.types[id] == normal) out_.whole_.push_back(id);
    std::ranges::sort(out_.whole_, {}, [&](std::uint32_t id) { return out_.bytes_of(static_cast<token_id>(id)); });
    return {};
}

std::optional<fault> tokenizer_builder::tokens(const tokenizer_parts& parts) {
    const auto& texts = parts.texts;
    const auto& types = parts.types;
    if (texts.empty() || texts.size() > vocabulary_max || types.size() != texts.size())
        return make_fault(errc::corrupt, "the vocabulary has " + std::to_string(texts.size()) + " tokens and " +
                                             std::to_string(types.size()) + " types");
    const auto characters = bytes_of_characters();
    out_.byte_.fill(-1);
    for (std::uint32_t id = 0; id < texts.size(); ++id) {
        const std::string_view text = texts[id];
        if (text.empty() || !ids_.emplace(text, id).second)
            return make_fault(errc::corrupt,
                              "token " + std::to_string(id) + " is empty or stands twice in the vocabulary");
        const std::int64_t type = types[id];
        const std::size_t from = out_.bytes_.size();
        if (type == control || type == unknown || type == user_defined) {
            out_.bytes_ += text;
            auto& wanted = id < parts.composed.size() && parts.composed[id] ? out_.as_composed_ : out_.as_written_;
            wanted.list.push_back({id, type == user_defined});
            wanted.begins[static_cast<unsigned char>(text[0])] = true;
        } else if (type == normal) {
            for (std::size_t at = 0; at < text.size();) {
                const code_point read = read_utf8(text, at);
                if (read.length == 0 || read.code >= characters.size() || characters[read.code] < 0)
                    return make_fault(errc::corrupt,
                                      "token " + std::to_string(id) + " is not written in GPT-2's byte alphabet");
                out_.bytes_ += static_cast<char>(characters[read.code]);
                at += read.length;
            }
            if (out_.bytes_.size() == from + 1)
                out_.byte_[static_cast<unsigned char>(out_.bytes_[from])] = static_cast<std::int32_t>(id);
        } else if (type != unused) { // those stand for nothing, as in llama.cpp
            return make_fault(errc::unsupported, "token " + std::to_string(id) + " is of type " + std::to_string(type) +
                                                     ", which a byte-level vocabulary does not have");
        }
        if (out_.bytes_.size() > tokenizer::none)
            return make_fault(errc::unsupported, "the vocabulary holds more than 4 GiB of text");
        out_.ends_.push_back(static_cast<std::uint32_t>(out_.bytes_.size()));
        out_.special_.push_back(type == control || type == unknown);
    }
    for (auto* wanted : {&out_.as_written_, &out_.as_composed_})
        std::ranges::sort(wanted->list, [&](const auto& a, const auto& b) { // longest first, then by id
            const std::size_t left = texts[a.id].size(), right = texts[b.id].size();
            return left != right ? left > right : a.id < b.id;
        });
    return {};
}

std::optional<fault> tokenizer_builder::merges(std::span<const std::pair<std::string_view, std::string_view>> pairs) {
    if (pairs.size() > vocabulary_max) return make_fault(errc::corrupt, "the vocabulary has too many merges");
    out_.merges_.assign(std::bit_ceil(pairs.size() * 2 + 1), {0, 0, 0, tokenizer::none});
    std::string joined;
    for (std::uint32_t rank = 0; rank < pairs.size(); ++rank) {
        const auto left = ids_.find(pairs[rank].first), right = ids_.find(pairs[rank].second);
        joined.assign(pairs[rank].first).append(pairs[rank].second);
        const auto both = ids_.find(joined);
        if (left == ids_.end() || right == ids_.end() || both == ids_.end()) return contradiction(rank);
        std::size_t slot = tokenizer::slot_of(left->second, right->second) & (out_.merges_.size() - 1);
        for (; out_.merges_[slot].joined != tokenizer::none; slot = (slot + 1) & (out_.merges_.size() - 1))
            if (out_.merges_[slot].left == left->second && out_.merges_[slot].right == right->second)
                return contradiction(rank);
        out_.merges_[slot] = {left->second, right->second, rank, both->second};
    }
    return {};
}

} // namespace ashlar::support
