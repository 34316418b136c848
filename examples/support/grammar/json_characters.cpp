// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/json_characters.hpp>

#include <support/unicode.hpp>

namespace ashlar::support {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

void append_in_brackets(std::string& out, char32_t code) {
    if (code < 0x20 || code == 0x7f) {
        out += "\\x", out += hex_digits[code >> 4], out += hex_digits[code & 15];
        return;
    }
    if (code == '\\' || code == ']' || code == '[' || code == '^' || code == '-') out += '\\';
    append_utf8(out, code);
}

} // namespace

json_characters json_characters::negated(char32_t last) const {
    auto sorted = ranges;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
    json_characters out{.ranges = {}, .broad = true};
    char32_t from = 0;
    for (const auto& each : sorted) {
        if (each.low > from) out.ranges.push_back({from, std::min<char32_t>(each.low - 1, last)});
        from = std::max<char32_t>(from, each.high + 1);
        if (from > last) return out;
    }
    out.ranges.push_back({from, last});
    return out;
}

std::string json_characters::text() const {
    std::string plain, ways;
    const auto part = [&](char32_t low, char32_t high) { // without what JSON escapes
        if (low > high) return;
        append_in_brackets(plain, low);
        if (high > low) plain += '-', append_in_brackets(plain, high);
    };
    const auto outside = [&](char32_t low, char32_t high) { // ... and without surrogates
        if (low < 0xd800) part(low, std::min<char32_t>(high, 0xd7ff));
        if (high > 0xdfff) part(std::max<char32_t>(low, 0xe000), high);
    };
    for (const auto& each : ranges) {
        char32_t from = std::max<char32_t>(each.low, 0x20);
        for (const char32_t escaped : {char32_t{'"'}, char32_t{'\\'}}) {
            if (escaped < from || escaped > each.high) continue;
            if (escaped > from) outside(from, escaped - 1);
            from = escaped + 1;
        }
        if (from <= each.high) outside(from, each.high);
    }
    int count = 0;
    if (!plain.empty()) ways = "[" + plain + "]", count = 1;
    for (char32_t code = 0; code <= '\\'; ++code) {
        if (!(code < 0x20 ? !broad : code == '"' || code == '\\') || !has(code)) continue;
        std::string escaped;
        append_json_character(escaped, code);
        ways += (ways.empty() ? "" : " | ") + gbnf_literal(escaped);
        ++count;
    }
    return count > 1 ? "(" + ways + ")" : ways;
}

std::string gbnf_literal(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += "\\x", out += hex_digits[byte >> 4], out += hex_digits[byte & 15];
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out += '"';
}

void append_json_character(std::string& out, char32_t code) {
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t", as = "\"\\bfnrt";
    if (const auto at = code < 0x80 ? escaped.find(static_cast<char>(code)) : std::string_view::npos;
        at != std::string_view::npos) {
        out += '\\', out += as[at];
    } else if (code < 0x20) {
        out += "\\u00", out += hex_digits[code >> 4], out += hex_digits[code & 15];
    } else {
        append_utf8(out, code);
    }
}

} // namespace ashlar::support
