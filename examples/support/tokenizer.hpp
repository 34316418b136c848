// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE as GPT-2 defined it, with the pre-tokenizers of GPT-2, SmolLM, Llama 3 and Qwen2, over the vocabulary
// and merges of a GGUF or of a tokenizer.json. Any bytes can be encoded: what is not UTF-8 is read as llama.cpp reads
// it, a replacement character for each byte that does not fit.
//
//     auto words = model->words();                                     // model_file.hpp
//     std::vector<token_id> ids = words->encode("<|im_start|>user\n", support::specials::parse);
//     support::detokenizer text(*words);   for (token_id id : ids) out += text.push(id);   out += text.finish();
//
// Immutable after construction: one tokenizer serves any number of threads. A detokenizer belongs to one stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ashlar/core/ids.hpp>

#include <support/outcome.hpp>
#include <support/pretokenizer.hpp>
#include <support/text_frame.hpp>

namespace ashlar::support {

class gguf;

// Whether control tokens written out in the text become those tokens. Parse what a template made; never what a user
// sent.
enum class specials : bool { as_text, parse };

class tokenizer {
public:
    // unsupported: another tokenizer than these. corrupt: vocabulary or merges that contradict themselves.
    static outcome<tokenizer> from(const gguf& file);
    // The text of a tokenizer.json (huggingface/tokenizers). Encodes as that with add_special_tokens=False; of the
    // frame it says what a text begins with.
    static outcome<tokenizer> from_json(std::string_view text);

    // Appends to `out`. O(n log n) in the length of the longest word; no limit on the text.
    void encode(std::string_view bytes, specials how, std::vector<token_id>& out) const;
    std::vector<token_id> encode(std::string_view bytes, specials how) const;
    // The same of text of several hands: a control token counts where all of its bytes are marked, by a byte that is
    // not 0 in `marks`, which is as long.
    void encode(std::string_view bytes, std::string_view marks, std::vector<token_id>& out) const;

    std::uint32_t size() const { return static_cast<std::uint32_t>(ends_.size()); }
    bool contains(token_id id) const { return id >= 0 && static_cast<std::uint32_t>(id) < size(); }
    std::string_view bytes_of(token_id id) const; // what it stands for: any bytes, not always whole characters
    bool is_special(token_id id) const;           // a control token
    std::optional<token_id> special(std::string_view text) const;
    const text_frame& frame() const { return frame_; }
    void set_frame(text_frame frame) { frame_ = std::move(frame); }
    // Tokens that stand for nothing, until there are `size`: a model may have more rows than words.
    void pad(std::uint32_t size);

    // Valid UTF-8 whatever the ids are; ids outside the vocabulary stand for nothing.
    std::string decode(std::span<const token_id> ids, bool skip_specials) const;

private:
    friend class tokenizer_builder;
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    struct merge { // two adjacent tokens become one; the least rank goes first
        std::uint32_t left, right, rank, joined;
    };
    struct scratch;
    struct needle {
        std::uint32_t id;
        bool always; // user-defined tokens are tokens even in text
    };
    struct needles {              // tokens that are found before text is split into words
        std::vector<needle> list; // longest first
        std::array<bool, 256> begins{};
    };

    static std::size_t slot_of(std::uint32_t left, std::uint32_t right) {
        return static_cast<std::size_t>(((std::uint64_t{left} << 32 | right) * 0x9e3779b97f4a7c15u) >> 20);
    }
    const merge* find_merge(std::uint32_t left, std::uint32_t right) const;
    template <class Parsed, class Between>
    void look_for(const needles& wanted, std::string_view text, Parsed parsed, std::vector<token_id>& out,
                  Between&& between) const;
    template <class Parsed>
    void encode_where(std::string_view bytes, Parsed parsed, std::vector<token_id>& out) const;
    void encode_text(std::string_view text, scratch& work, std::vector<token_id>& out) const;
    void encode_word(std::string_view word, scratch& work, std::vector<token_id>& out) const;

    std::string bytes_;                    // all tokens' bytes, one after the other
    std::vector<std::uint32_t> ends_;      // where each token's bytes end
    std::vector<std::uint8_t> special_;    // by id
    std::array<std::int32_t, 256> byte_{}; // the token of a single byte; -1: the vocabulary has none
    std::vector<merge> merges_;            // open addressing; a power of two; joined == none: empty
    needles as_written_, as_composed_; // in the text as it came, then in what lies between, composed where it is to be
    bool composes_ = false;            // text is brought into normalization form C
    pretokenizer words_ = pretokenizer::smollm;
    std::vector<std::uint32_t> whole_; // tokens that words are before any merge, by their bytes; may be none
    text_frame frame_;
};

// Turns tokens into text as they come, never showing half a character. What can no longer become UTF-8 is shown as
// replacement characters, so that the output is always valid.
class detokenizer {
public:
    explicit detokenizer(const tokenizer& words, bool skip_specials = true)
        : words_(&words), skip_specials_(skip_specials) {}

    std::string push(token_id id); // what can be shown now; may be empty
    std::string finish();          // what was held back

private:
    const tokenizer* words_;
    std::string held_; // at most three bytes: the beginning of a character
    bool skip_specials_;
};

} // namespace ashlar::support
