// SPDX-License-Identifier: Apache-2.0
// The little of Unicode that a tokenizer needs: one code point from UTF-8, strictly or as llama.cpp reads it, one code
// point to UTF-8, and which of the pre-tokenizer's classes a code point belongs to.
//
//     auto [code, length] = support::read_utf8(text, at);     // length 0: not UTF-8
//     if (support::category_of(code) == support::category::letter) ...
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <support/unicode_tables.hpp>

namespace ashlar::support {

enum class category : std::uint8_t { other, letter, number, space };

inline bool within(std::span<const unicode_range> ranges, std::uint32_t code) {
    const auto it = std::ranges::lower_bound(ranges, code, {}, &unicode_range::last);
    return it != ranges.end() && it->first <= code;
}

inline category category_of(std::uint32_t code) {
    if (code < 0x80) {
        if ((code | 0x20) - 'a' < 26) return category::letter;
        if (code - '0' < 10) return category::number;
        return code == ' ' || code - '\t' < 5 ? category::space : category::other;
    }
    if (within(unicode_letters, code)) return category::letter;
    if (within(unicode_numbers, code)) return category::number;
    return within(unicode_spaces, code) ? category::space : category::other;
}

struct code_point {
    std::uint32_t code;
    std::uint32_t length; // bytes read; 0 when they are no UTF-8
};

// The structure of UTF-8 only: over-long forms, surrogates and numbers up to 0x1fffff pass, as in llama.cpp's
// unicode_cpt_from_utf8 (ggml-org/llama.cpp, src/unicode.cpp).
inline code_point read_utf8_leniently(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
    };
    const std::uint32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::uint32_t length = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
    if (length == 0 || text.size() - at < length) return {0, 0};
    std::uint32_t code = lead & (0xffu >> (length + 1));
    for (std::uint32_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {0, 0};
        code = code << 6 | (byte(i) & 0x3f);
    }
    return {code, length};
}

// UTF-8 as RFC 3629 defines it.
inline code_point read_utf8(std::string_view text, std::size_t at) {
    const code_point read = read_utf8_leniently(text, at);
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = read.code >= 0xd800 && read.code < 0xe000;
    return read.code < least[read.length] || surrogate || read.code > 0x10ffff ? code_point{0, 0} : read;
}

inline void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800)
        put(0xc0 | code >> 6);
    else if (code < 0x10000)
        put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f));
    else
        put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
}

} // namespace ashlar::support
