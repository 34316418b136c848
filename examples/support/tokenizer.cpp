// SPDX-License-Identifier: Apache-2.0
#include <support/tokenizer.hpp>

#include <algorithm>
#include <utility>

#include <support/nfc.hpp>
#include <support/unicode.hpp>

namespace ashlar::support {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD

// Bytes that are not UTF-8, as llama.cpp reads them (unicode_cpts_from_utf8): structure only, one replacement character
// for each byte that does not fit. Numbers above U+10FFFF, on which llama.cpp throws, do not fit either.
std::string repaired(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 16);
    for (std::size_t at = 0; at < text.size();) {
        const code_point read = read_utf8_leniently(text, at);
        const bool fits = read.length != 0 && read.code <= 0x10ffff;
        if (fits)
            append_utf8(out, read.code);
        else
            out += replacement;
        at += fits ? read.length : 1;
    }
    return out;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::uint32_t length = static_cast<unsigned char>(text[at]) < 0x80 ? 1 : read_utf8(text, at).length;
        if (length == 0) return false;
        at += length;
    }
    return true;
}

} // namespace

struct tokenizer::scratch {
    struct symbol {
        std::uint32_t id, previous, next;
    };
    struct candidate {
        std::uint32_t rank, at, left, right;
    };
    std::vector<symbol> symbols;
    std::vector<candidate> heap;
};

const tokenizer::merge* tokenizer::find_merge(std::uint32_t left, std::uint32_t right) const {
    const std::size_t mask = merges_.size() - 1;
    for (std::size_t slot = slot_of(left, right) & mask; merges_[slot].joined != none; slot = (slot + 1) & mask)
        if (merges_[slot].left == left && merges_[slot].right == right) return &merges_[slot];
    return nullptr;
}

// Appends what is found, and hands what lies between to `between`. `parsed`: whether a control token counts that
// begins at a place and is so many bytes long.
template <class Parsed, class Between>
void tokenizer::look_for(const needles& wanted, std::string_view text, Parsed parsed, std::vector<token_id>& out,
                         Between&& between) const {
    std::size_t from = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto matches = [&](const needle& n) {
            const std::string_view spelled = bytes_of(static_cast<token_id>(n.id));
            return text.substr(at).starts_with(spelled) && (n.always || parsed(at, spelled.size()));
        };
        const auto found = wanted.begins[static_cast<unsigned char>(text[at])]
                               ? std::ranges::find_if(wanted.list, matches)
                               : wanted.list.end();
        if (found == wanted.list.end()) {
            ++at;
            continue;
        }
        between(text.substr(from, at - from));
        out.push_back(static_cast<token_id>(found->id));
        from = at += bytes_of(static_cast<token_id>(found->id)).size();
    }
    between(text.substr(from));
}

template <class Parsed>
void tokenizer::encode_where(std::string_view bytes, Parsed parsed, std::vector<token_id>& out) const {
    scratch work;
    look_for(as_written_, bytes, parsed, out, [&](std::string_view text) {
        const std::string_view given = text;
        const auto from = static_cast<std::size_t>(given.data() - bytes.data());
        std::string valid;
        if (!is_utf8(text)) text = valid = repaired(text);
        if (composes_) text = valid = nfc(text);
        const bool same = text == given; // else places are no longer those in `bytes`, and all of `given` has to count
        const auto counts = [&](std::size_t at, std::size_t size) {
            return same ? parsed(from + at, size) : parsed(from, given.size());
        };
        look_for(as_composed_, text, counts, out, [&](std::string_view part) { encode_text(part, work, out); });
    });
}

void tokenizer::encode(std::string_view bytes, specials how, std::vector<token_id>& out) const {
    encode_where(bytes, [&](std::size_t, std::size_t) { return how == specials::parse; }, out);
}

void tokenizer::encode(std::string_view bytes, std::string_view marks, std::vector<token_id>& out) const {
    ASHLAR_ASSERT(marks.size() == bytes.size());
    const auto marked = [&](std::size_t at, std::size_t size) {
        return marks.substr(at, size).find('\0') == std::string_view::npos;
    };
    encode_where(bytes, marked, out);
}

std::vector<token_id> tokenizer::encode(std::string_view bytes, specials how) const {
    std::vector<token_id> out;
    encode(bytes, how, out);
    return out;
}

void tokenizer::encode_text(std::string_view text, scratch& work, std::vector<token_id>& out) const {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = end_of_word(words_, text, at);
        encode_word(text.substr(at, end - at), work, out);
        at = end;
    }
}

// Joins adjacent tokens, least rank first, leftmost first among equals, until no merge applies.
void tokenizer::encode_word(std::string_view word, scratch& work, std::vector<token_id>& out) const {
    const auto bytes = [&](std::uint32_t id) { return bytes_of(static_cast<token_id>(id)); };
    if (const auto whole = std::ranges::lower_bound(whole_, word, {}, bytes);
        whole != whole_.end() && bytes(*whole) == word)
        return out.push_back(static_cast<token_id>(*whole));
    auto& symbols = work.symbols;
    auto& heap = work.heap;
    symbols.clear();
    heap.clear();
    for (const char c : word) {
        const std::int32_t id = byte_[static_cast<unsigned char>(c)];
        if (id < 0) continue; // as `tokenizers` does without an unknown token: its neighbours meet
        const auto here = static_cast<std::uint32_t>(symbols.size());
        if (here > 0) symbols.back().next = here;
        symbols.push_back({static_cast<std::uint32_t>(id), here == 0 ? none : here - 1, none});
    }
    const auto later = [](const scratch::candidate& a, const scratch::candidate& b) {
        return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    };
    const auto consider = [&](std::uint32_t at) {
        if (at == none || symbols[at].next == none) return;
        const std::uint32_t left = symbols[at].id, right = symbols[symbols[at].next].id;
        const merge* found = find_merge(left, right);
        if (!found) return;
        heap.push_back({found->rank, at, left, right});
        std::ranges::push_heap(heap, later);
    };
    for (std::uint32_t at = 0; at + 1 < symbols.size(); ++at) consider(at);
    while (!heap.empty()) {
        std::ranges::pop_heap(heap, later);
        const scratch::candidate best = heap.back();
        heap.pop_back();
        auto& left = symbols[best.at];
        if (left.id != best.left || left.next == none || symbols[left.next].id != best.right) continue; // overtaken
        auto& right = symbols[left.next];
        left.id = find_merge(best.left, best.right)->joined;
        left.next = right.next;
        if (right.next != none) symbols[right.next].previous = best.at;
        right.id = none; // no longer there
        consider(left.previous);
        consider(best.at);
    }
    for (std::uint32_t at = symbols.empty() ? none : 0; at != none; at = symbols[at].next)
        out.push_back(static_cast<token_id>(symbols[at].id));
}

std::string_view tokenizer::bytes_of(token_id id) const {
    if (!contains(id)) return {};
    const auto index = static_cast<std::size_t>(id);
    const std::size_t from = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(from, ends_[index] - from);
}

bool tokenizer::is_special(token_id id) const { return contains(id) && special_[static_cast<std::size_t>(id)] != 0; }

std::optional<token_id> tokenizer::special(std::string_view text) const {
    for (const auto* wanted : {&as_written_, &as_composed_})
        for (const auto& n : wanted->list)
            if (bytes_of(static_cast<token_id>(n.id)) == text) return static_cast<token_id>(n.id);
    return {};
}

void tokenizer::pad(std::uint32_t size) {
    ends_.resize(std::max<std::size_t>(ends_.size(), size), static_cast<std::uint32_t>(bytes_.size()));
    special_.resize(ends_.size(), true);
}

std::string tokenizer::decode(std::span<const token_id> ids, bool skip_specials) const {
    detokenizer text(*this, skip_specials);
    std::string out;
    for (const token_id id : ids) out += text.push(id);
    return out += text.finish();
}

std::string detokenizer::push(token_id id) {
    if (skip_specials_ && words_->is_special(id)) return {};
    held_ += words_->bytes_of(id);
    std::string out;
    std::size_t at = 0;
    while (at < held_.size()) {
        const code_point read = read_utf8(held_, at);
        if (read.length != 0) {
            out.append(held_, at, read.length);
            at += read.length;
            continue;
        }
        std::size_t length = 1;
        bool hopeful = false;
        const auto lead = static_cast<unsigned char>(held_[at]);
        const std::size_t whole = lead >= 0xc2 && lead < 0xe0   ? 2
                                  : lead >= 0xe0 && lead < 0xf0 ? 3
                                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                                : 1;
        for (std::size_t i = 1; i < whole; ++i) { // the longest beginning of a character (Unicode 16, §3.9, table 3-7)
            if (at + i == held_.size()) {
                hopeful = true;
                break;
            }
            const auto byte = static_cast<unsigned char>(held_[at + i]);
            const unsigned least = i > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
            const unsigned most = i > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
            if (byte < least || byte > most) break;
            ++length;
        }
        if (hopeful) break;
        out += replacement;
        at += length;
    }
    held_.erase(0, at);
    return out;
}

std::string detokenizer::finish() {
    const bool broken = !held_.empty();
    held_.clear();
    return broken ? std::string(replacement) : std::string();
}

} // namespace ashlar::support
