// SPDX-License-Identifier: Apache-2.0
#include <support/tokenizer.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>
#include <utility>

#include <support/unicode.hpp>

namespace ashlar::support {
namespace {

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t vocabulary_max = 1u << 24;
constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD

// llama.cpp's token types (src/llama.h, llama_token_type).
enum token_type : std::int64_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5 };

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

std::size_t slot_of(std::uint32_t left, std::uint32_t right) {
    return static_cast<std::size_t>(((std::uint64_t{left} << 32 | right) * 0x9e3779b97f4a7c15u) >> 20);
}

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

// The end of the word that begins at `at`: a single number, or else the match of GPT-2's pattern
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// in the stretch between two numbers (numbers are split off before the pattern is applied, so to it they are an end).
class splitter {
public:
    explicit splitter(std::string_view text) : text_(text) {}

    std::size_t end_of_word(std::size_t at) const {
        const peek first = look(at);
        if (first.kind == category::number) return at + first.length;
        if (text_[at] == '\'')
            if (const std::size_t length = contraction(text_.substr(at + 1))) return at + 1 + length;
        if (first.kind != category::space) return run(at, first.kind);
        if (text_[at] == ' ' && at + 1 < text_.size()) {
            const category next = look(at + 1).kind;
            if (next != category::space && next != category::number) return run(at + 1, next);
        }
        const std::size_t end = run(at, category::space);
        if (end == text_.size() || look(end).kind == category::number) return end;
        const std::size_t last = before(end); // the last space goes with the word behind it, if it is not all there is
        return last > at ? last : end;
    }

private:
    struct peek {
        category kind;
        std::uint32_t length;
    };
    peek look(std::size_t at) const {
        const code_point read = read_utf8_leniently(text_, at);
        return {category_of(read.code), read.length};
    }
    std::size_t run(std::size_t at, category kind) const {
        while (at < text_.size()) {
            const peek next = look(at);
            if (next.kind != kind) break;
            at += next.length;
        }
        return at;
    }
    std::size_t before(std::size_t at) const {
        do --at;
        while ((static_cast<unsigned char>(text_[at]) & 0xc0) == 0x80);
        return at;
    }
    static std::size_t contraction(std::string_view rest) {
        for (const std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"})
            if (rest.starts_with(ending)) return ending.size();
        return 0;
    }

    std::string_view text_;
};

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

class tokenizer_builder {
public:
    static outcome<tokenizer> build(const gguf& file) {
        const auto model = file.text("tokenizer.ggml.model");
        if (!model) return model.fault();
        const auto pre = file.text("tokenizer.ggml.pre");
        if (!pre) return pre.fault();
        if (*model != "gpt2" || *pre != "smollm")
            return make_fault(errc::unsupported, "the file's tokenizer is '" + std::string(model->substr(0, 40)) +
                                                     "' with pre-tokenizer '" + std::string(pre->substr(0, 40)) +
                                                     "'; only 'gpt2' with 'smollm' is built in");
        for (const std::string_view key :
             {"tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"})
            if (const auto on = file.flag(key); on && *on)
                return make_fault(errc::unsupported, "metadata '" + std::string(key) +
                                                         "' asks for something that this tokenizer does not do");
        tokenizer_builder work;
        if (auto why = work.tokens(file)) return *why;
        if (auto why = work.merges(file)) return *why;
        if (auto why = work.named(file, "tokenizer.ggml.bos_token_id", work.out_.begin_)) return *why;
        if (auto why = work.named(file, "tokenizer.ggml.eos_token_id", work.out_.end_)) return *why;
        return std::move(work.out_);
    }

private:
    std::optional<fault> tokens(const gguf& file) {
        const auto texts = file.texts("tokenizer.ggml.tokens");
        if (!texts) return texts.fault();
        const auto types = file.integers("tokenizer.ggml.token_type");
        if (!types) return types.fault();
        if (texts->empty() || texts->size() > vocabulary_max || types->size() != texts->size())
            return make_fault(errc::corrupt, "the vocabulary has " + std::to_string(texts->size()) + " tokens and " +
                                                 std::to_string(types->size()) + " types");
        const auto characters = bytes_of_characters();
        out_.byte_.fill(-1);
        for (std::uint32_t id = 0; id < texts->size(); ++id) {
            const std::string_view text = (*texts)[id];
            if (text.empty() || !ids_.emplace(text, id).second)
                return make_fault(errc::corrupt,
                                  "token " + std::to_string(id) + " is empty or stands twice in the vocabulary");
            const std::int64_t type = (*types)[id];
            const std::size_t from = out_.bytes_.size();
            if (type == control || type == unknown || type == user_defined) {
                out_.bytes_ += text;
                out_.needles_.push_back({id, type == user_defined});
                out_.needle_begins_[static_cast<unsigned char>(text[0])] = true;
            } else if (type == normal || type == unused) {
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
            } else {
                return make_fault(errc::unsupported, "token " + std::to_string(id) + " is of type " +
                                                         std::to_string(type) +
                                                         ", which a byte-level vocabulary does not have");
            }
            if (out_.bytes_.size() > none)
                return make_fault(errc::unsupported, "the vocabulary holds more than 4 GiB of text");
            out_.ends_.push_back(static_cast<std::uint32_t>(out_.bytes_.size()));
            out_.special_.push_back(type == control || type == unknown);
        }
        std::ranges::sort(out_.needles_, [&](const auto& a, const auto& b) { // longest first, then by id
            const std::size_t left = (*texts)[a.id].size(), right = (*texts)[b.id].size();
            return left != right ? left > right : a.id < b.id;
        });
        return {};
    }

    std::optional<fault> merges(const gguf& file) {
        const auto lines = file.texts("tokenizer.ggml.merges");
        if (!lines) return lines.fault();
        if (lines->size() > vocabulary_max) return make_fault(errc::corrupt, "the vocabulary has too many merges");
        out_.merges_.assign(std::bit_ceil(lines->size() * 2 + 1), {0, 0, 0, none});
        std::string joined;
        for (std::uint32_t rank = 0; rank < lines->size(); ++rank) {
            const std::string_view line = (*lines)[rank];
            const std::size_t space = line.find(' ');
            if (space == std::string_view::npos) return contradiction(rank);
            const auto left = ids_.find(line.substr(0, space)), right = ids_.find(line.substr(space + 1));
            joined.assign(line.substr(0, space)).append(line.substr(space + 1));
            const auto both = ids_.find(joined);
            if (left == ids_.end() || right == ids_.end() || both == ids_.end()) return contradiction(rank);
            std::size_t slot = slot_of(left->second, right->second) & (out_.merges_.size() - 1);
            for (; out_.merges_[slot].joined != none; slot = (slot + 1) & (out_.merges_.size() - 1))
                if (out_.merges_[slot].left == left->second && out_.merges_[slot].right == right->second)
                    return contradiction(rank);
            out_.merges_[slot] = {left->second, right->second, rank, both->second};
        }
        return {};
    }

    static fault contradiction(std::uint32_t rank) {
        return make_fault(errc::corrupt,
                          "merge " + std::to_string(rank) + " stands twice, or joins what is not in the vocabulary");
    }

    std::optional<fault> named(const gguf& file, std::string_view key, std::optional<token_id>& into) const {
        if (!file.has(key)) return {};
        const auto id = file.count(key);
        if (!id) return id.fault();
        if (*id >= out_.size())
            return make_fault(errc::corrupt, "metadata '" + std::string(key) + "' is outside the vocabulary");
        into = static_cast<token_id>(*id);
        return {};
    }

    tokenizer out_;
    std::unordered_map<std::string_view, std::uint32_t> ids_;
};

outcome<tokenizer> tokenizer::from(const gguf& file) { return tokenizer_builder::build(file); }

const tokenizer::merge* tokenizer::find_merge(std::uint32_t left, std::uint32_t right) const {
    const std::size_t mask = merges_.size() - 1;
    for (std::size_t slot = slot_of(left, right) & mask; merges_[slot].joined != none; slot = (slot + 1) & mask)
        if (merges_[slot].left == left && merges_[slot].right == right) return &merges_[slot];
    return nullptr;
}

void tokenizer::encode(std::string_view bytes, specials how, std::vector<token_id>& out) const {
    scratch work;
    std::size_t from = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto matches = [&](const needle& n) {
            return (n.always || how == specials::parse) &&
                   bytes.substr(at).starts_with(bytes_of(static_cast<token_id>(n.id)));
        };
        const auto found = needle_begins_[static_cast<unsigned char>(bytes[at])]
                               ? std::ranges::find_if(needles_, matches)
                               : needles_.end();
        if (found == needles_.end()) {
            ++at;
            continue;
        }
        encode_text(bytes.substr(from, at - from), work, out);
        out.push_back(static_cast<token_id>(found->id));
        from = at += bytes_of(static_cast<token_id>(found->id)).size();
    }
    encode_text(bytes.substr(from), work, out);
}

std::vector<token_id> tokenizer::encode(std::string_view bytes, specials how) const {
    std::vector<token_id> out;
    encode(bytes, how, out);
    return out;
}

void tokenizer::encode_text(std::string_view text, scratch& work, std::vector<token_id>& out) const {
    std::string valid;
    if (!is_utf8(text)) text = valid = repaired(text);
    const splitter words(text);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = words.end_of_word(at);
        encode_word(text.substr(at, end - at), work, out);
        at = end;
    }
}

// Joins adjacent tokens, least rank first, leftmost first among equals, until no merge applies.
void tokenizer::encode_word(std::string_view word, scratch& work, std::vector<token_id>& out) const {
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
    for (const auto& n : needles_)
        if (bytes_of(static_cast<token_id>(n.id)) == text) return static_cast<token_id>(n.id);
    return {};
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
