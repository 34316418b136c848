// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>
#include <utility>

namespace serve {

namespace {

enum class kind { whole, partial, invalid };
struct step {
    kind what;
    std::size_t size; // whole: of the character; partial: what is there; invalid: the maximal part to replace
};

// The character at the start of a non-empty text (Unicode 15, table 3-7).
step next_character(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return {kind::whole, 1};
    if (first < 0xc2 || first > 0xf4) return {kind::invalid, 1};
    const std::size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (std::size_t i = 1; i < size; ++i) {
        if (i == text.size()) return {kind::partial, i};
        unsigned char low = 0x80, high = 0xbf;
        if (i == 1 && first == 0xe0) low = 0xa0;
        if (i == 1 && first == 0xed) high = 0x9f;
        if (i == 1 && first == 0xf0) low = 0x90;
        if (i == 1 && first == 0xf4) high = 0x8f;
        if (at(i) < low || at(i) > high) return {kind::invalid, i};
    }
    return {kind::whole, size};
}

constexpr std::string_view replacement = "\xef\xbf\xbd";

} // namespace

std::size_t utf8_prefix(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const step next = next_character(text.substr(at));
        if (next.what != kind::whole) break;
        at += next.size;
    }
    return at;
}

std::string utf8_repaired(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const step next = next_character(text);
        out += next.what == kind::whole ? text.substr(0, next.size) : replacement;
        text.remove_prefix(next.size);
    }
    return out;
}

std::uint32_t utf8_characters(std::string_view text) {
    return static_cast<std::uint32_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void text_stream::push(std::string_view bytes, bool may_stop) {
    if (stopped_) return;
    bytes_ += bytes;
    std::string_view rest = bytes_;
    while (!rest.empty()) {
        const step next = next_character(rest);
        if (next.what == kind::partial) break;
        held_ += next.what == kind::whole ? rest.substr(0, next.size) : replacement;
        rest.remove_prefix(next.size);
    }
    bytes_.erase(0, bytes_.size() - rest.size());
    release(false, may_stop);
}

void text_stream::flush() {
    if (stopped_) return;
    if (!bytes_.empty()) held_ += replacement, bytes_.clear();
    release(true, true);
}

void text_stream::release(bool final, bool may_stop) {
    // The stop string that is complete first ends the text.
    std::size_t first = std::string::npos, length = 0;
    for (const auto& stop : stops_) {
        const std::size_t at =
            may_stop ? held_.find(stop, past_ < stop.size() ? 0 : past_ - stop.size() + 1) : std::string::npos;
        if (at != std::string::npos && (first == std::string::npos || at + stop.size() < first + length))
            first = at, length = stop.size();
    }
    if (first != std::string::npos) {
        ready_ += held_.substr(0, include_stop_ ? first + length : first);
        held_.clear();
        stopped_ = true;
        return;
    }
    std::size_t keep = 0; // the longest end that begins a stop string
    if (!final) {
        for (const auto& stop : stops_) {
            for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
                if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
            }
        }
    }
    ready_ += held_.substr(0, held_.size() - keep);
    past_ -= std::min(past_, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    if (!may_stop) past_ = held_.size();
}

} // namespace serve
