// SPDX-License-Identifier: Apache-2.0
#include <support/tokenizer.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>
#include <utility>

#include <support/json.hpp>
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

// A vocabulary as a file describes it; texts point into the file.
struct tokenizer_parts {
    std::vector<std::string_view> texts;
    std::vector<std::int64_t> types;
    std::vector<std::pair<std::string_view, std::string_view>> merges;
    pretokenizer words;
    bool whole_words; // a word that is a token is that token, whatever the merges say
};

class tokenizer_builder {
public:
    static outcome<tokenizer> build(const gguf& file) {
        const auto model = file.text("tokenizer.ggml.model");
        if (!model) return model.fault();
        const auto pre = file.text("tokenizer.ggml.pre");
        if (!pre) return pre.fault();
        // llama.cpp's names (src/llama-vocab.cpp)
        constexpr std::pair<std::string_view, pretokenizer> known[] = {{"smollm", pretokenizer::smollm},
                                                                       {"gpt-2", pretokenizer::gpt2},
                                                                       {"llama-bpe", pretokenizer::llama3},
                                                                       {"qwen2", pretokenizer::qwen2}};
        const auto* words = std::ranges::find(known, *pre, &std::pair<std::string_view, pretokenizer>::first);
        if (*model != "gpt2" || words == std::end(known))
            return make_fault(errc::unsupported, "the file's tokenizer is " + in_quotes(*model) +
                                                     " with pre-tokenizer " + in_quotes(*pre) +
                                                     "; only 'gpt2' with 'smollm', 'gpt-2', 'llama-bpe' or 'qwen2' is "
                                                     "built in");
        for (const std::string_view key :
             {"tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"})
            if (const auto on = file.flag(key); on && *on)
                return make_fault(errc::unsupported, "metadata '" + std::string(key) +
                                                         "' asks for something that this tokenizer does not do");
        auto texts = file.texts("tokenizer.ggml.tokens");
        if (!texts) return texts.fault();
        auto types = file.integers("tokenizer.ggml.token_type");
        if (!types) return types.fault();
        const auto lines = file.texts("tokenizer.ggml.merges");
        if (!lines) return lines.fault();
        tokenizer_parts parts{std::move(texts).value(),
                              std::move(types).value(),
                              {},
                              words->second,
                              words->second == pretokenizer::llama3};
        for (const auto line : *lines) parts.merges.push_back(halves(line));
        tokenizer_builder work;
        if (auto why = work.assemble(parts)) return *why;
        if (auto why = work.named(file, "tokenizer.ggml.bos_token_id", work.out_.begin_)) return *why;
        if (auto why = work.named(file, "tokenizer.ggml.eos_token_id", work.out_.end_)) return *why;
        return std::move(work.out_);
    }
    static outcome<tokenizer> build(const tokenizer_parts& parts) {
        tokenizer_builder work;
        if (auto why = work.assemble(parts)) return *why;
        return std::move(work.out_);
    }
    // "left right"; both empty, and so no tokens, if there is no space
    static std::pair<std::string_view, std::string_view> halves(std::string_view line) {
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos) return {};
        return {line.substr(0, space), line.substr(space + 1)};
    }

private:
    std::optional<fault> assemble(const tokenizer_parts& parts) {
        out_.words_ = parts.words;
        if (auto why = tokens(parts.texts, parts.types)) return why;
        if (auto why = merges(parts.merges)) return why;
        if (!parts.whole_words) return {};
        for (std::uint32_t id = 0; id < out_.size(); ++id)
            if (parts.types[id] == normal) out_.whole_.push_back(id);
        std::ranges::sort(out_.whole_, {}, [&](std::uint32_t id) { return out_.bytes_of(static_cast<token_id>(id)); });
        return {};
    }

    std::optional<fault> tokens(std::span<const std::string_view> texts, std::span<const std::int64_t> types) {
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
            const std::size_t left = texts[a.id].size(), right = texts[b.id].size();
            return left != right ? left > right : a.id < b.id;
        });
        return {};
    }

    std::optional<fault> merges(std::span<const std::pair<std::string_view, std::string_view>> pairs) {
        if (pairs.size() > vocabulary_max) return make_fault(errc::corrupt, "the vocabulary has too many merges");
        out_.merges_.assign(std::bit_ceil(pairs.size() * 2 + 1), {0, 0, 0, none});
        std::string joined;
        for (std::uint32_t rank = 0; rank < pairs.size(); ++rank) {
            const auto left = ids_.find(pairs[rank].first), right = ids_.find(pairs[rank].second);
            joined.assign(pairs[rank].first).append(pairs[rank].second);
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

namespace {
using nlohmann::json;

fault unsupported(const std::string& what) { return make_fault(errc::unsupported, "tokenizer.json: " + what); }
fault damaged(const std::string& what) { return make_fault(errc::corrupt, "tokenizer.json: " + what); }

// What an object says under a key; null where it says nothing.
const json& at(const json& object, const char* key) {
    static const json nothing;
    const auto found = object.find(key);
    return object.is_object() && found != object.end() ? *found : nothing;
}
bool on(const json& object, const char* key) { return at(object, key) == true; }

// The splits that a list of steps makes before "ByteLevel", which must be the last.
std::optional<pretokenizer> pretokenizer_of(const json& step) {
    const json steps = at(step, "type") == "Sequence" ? at(step, "pretokenizers") : json::array({step});
    if (!steps.is_array() || steps.empty() || steps.size() > 2) return {};
    const json& level = steps.back();
    if (at(level, "type") != "ByteLevel" || at(level, "add_prefix_space") != false) return {};
    const bool pattern = at(level, "use_regex").is_null() || on(level, "use_regex"); // GPT-2's
    if (steps.size() == 1) return pattern ? std::optional(pretokenizer::gpt2) : std::nullopt;
    const json& first = steps.front();
    if (at(first, "type") == "Digits" && on(first, "individual_digits") && pattern) return pretokenizer::smollm;
    if (at(first, "type") != "Split" || at(first, "behavior") != "Isolated" || on(first, "invert") || pattern)
        return {};
    const json& regex = at(at(first, "pattern"), "Regex");
    if (regex == llama3_pattern) return pretokenizer::llama3;
    if (regex == qwen2_pattern) return pretokenizer::qwen2;
    return regex == gpt2_pattern ? std::optional(pretokenizer::gpt2) : std::nullopt;
}

bool is_id(const json& value) { return value.is_number_unsigned() && value.get<std::uint64_t>() < vocabulary_max; }
std::string_view text_of(const json& value) { return value.get_ref<const std::string&>(); }

// Tokens by id: those of the model, then those added, which may name one of the model's again.
std::optional<fault> read_tokens(const json& file, tokenizer_parts& parts) {
    const json &vocabulary = at(at(file, "model"), "vocab"), &added = at(file, "added_tokens");
    if (!vocabulary.is_object() || !(added.is_array() || added.is_null()))
        return damaged("there is no 'vocab', or 'added_tokens' is no list");
    const std::size_t most = vocabulary.size() + added.size();
    const auto put = [&](std::string_view text, const json& id, token_type type) {
        if (!is_id(id) || id.get<std::size_t>() >= most) return false; // ids are 0, 1, …: none can be larger
        const auto index = id.get<std::size_t>();
        if (index >= parts.texts.size()) parts.texts.resize(index + 1), parts.types.resize(index + 1, normal);
        if (!parts.texts[index].empty() && parts.texts[index] != text) return false;
        parts.texts[index] = text;
        parts.types[index] = type;
        return true;
    };
    for (const auto& item : vocabulary.items())
        if (!put(item.key(), item.value(), normal))
            return damaged("the id of token " + in_quotes(item.key()) + " is not its own");
    for (const auto& token : added) {
        const json& text = at(token, "content");
        if (!text.is_string()) return damaged("an added token has no 'content'");
        for (const char* key : {"single_word", "lstrip", "rstrip"})
            if (on(token, key))
                return unsupported("added token " + in_quotes(text_of(text)) + " asks for '" + key + "'");
        if (!put(text_of(text), at(token, "id"), on(token, "special") ? control : user_defined))
            return damaged("the id of added token " + in_quotes(text_of(text)) + " is not its own");
    }
    return {}; // a hole is an empty text, which the builder refuses
}
} // namespace

outcome<tokenizer> tokenizer::from_json(std::string_view text) {
    const auto read = read_json(text, "tokenizer.json");
    if (!read) return read.fault();
    const json& model = at(*read, "model");
    if (at(model, "type") != "BPE") return unsupported("the model is no BPE");
    for (const char* key : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
        if (const json& value = at(model, key); !value.is_null() && value != "")
            return unsupported("the model asks for '" + std::string(key) + "'");
    if (on(model, "byte_fallback")) return unsupported("the model asks for 'byte_fallback'");
    const json& normalizer = at(*read, "normalizer");
    if (!normalizer.is_null() && at(normalizer, "type") != "NFC") return unsupported("the text is to be normalised");
    const auto words = pretokenizer_of(at(*read, "pre_tokenizer"));
    if (!words) return unsupported("the pre-tokenizer is none of those of GPT-2, SmolLM, Llama 3 and Qwen2");
    tokenizer_parts parts{{}, {}, {}, *words, on(model, "ignore_merges")};
    if (auto why = read_tokens(*read, parts)) return *why;
    const json& merges = at(model, "merges");
    if (!merges.is_array()) return damaged("there are no 'merges'");
    for (const auto& merge : merges) { // "a b", or since 2024 ["a", "b"]
        const bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
        if (!pair && !merge.is_string()) return damaged("a merge is neither a text nor two");
        parts.merges.push_back(pair ? std::pair(text_of(merge[0]), text_of(merge[1]))
                                    : tokenizer_builder::halves(text_of(merge)));
    }
    return tokenizer_builder::build(parts);
}

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
