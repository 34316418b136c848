// SPDX-License-Identifier: Apache-2.0
#include <support/pretokenizer.hpp>

#include <cstdint>
#include <limits>

#include <support/unicode.hpp>

namespace ashlar::support {
namespace {

class splitter {
public:
    splitter(pretokenizer kind, std::string_view text)
        : text_(text), kind_(kind), modern_(kind == pretokenizer::llama3 || kind == pretokenizer::qwen2) {}

    std::size_t end_of_word(std::size_t at) const {
        const peek first = look(at);
        if (text_[at] == '\'')
            if (const std::size_t length = contraction(at + 1)) return at + 1 + length;
        if (const std::size_t end = letters(at, first); end > at) return end;
        if (const std::size_t end = numbers(at, first); end > at) return end;
        if (const std::size_t end = others(at, first); end > at) return end;
        return spaces(at);
    }

private:
    struct peek {
        category kind;
        std::uint32_t length;
    };
    static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

    bool ended(std::size_t at) const { return at >= text_.size(); }
    peek look(std::size_t at) const {
        const code_point read = read_utf8_leniently(text_, at);
        return {category_of(read.code), read.length};
    }
    bool is(std::size_t at, category kind) const { return !ended(at) && look(at).kind == kind; }
    bool breaks_line(std::size_t at) const { return !ended(at) && (text_[at] == '\n' || text_[at] == '\r'); }
    std::size_t run(std::size_t at, category kind, std::size_t most = unbounded) const {
        for (; most > 0 && is(at, kind); --most) at += look(at).length;
        return at;
    }

    // 's|'t|'re|'ve|'m|'ll|'d, in either case for the modern ones, to which the long s (U+017F) is an s.
    std::size_t contraction(std::size_t at) const {
        const std::string_view rest = text_.substr(at);
        for (const std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"}) {
            bool same = rest.size() >= ending.size();
            for (std::size_t i = 0; same && i < ending.size(); ++i)
                same = (modern_ && rest[i] >= 'A' && rest[i] <= 'Z' ? rest[i] + 32 : rest[i]) == ending[i];
            if (same) return ending.size();
        }
        return modern_ && rest.starts_with("\xc5\xbf") ? 2 : 0;
    }
    // " ?\p{L}+"; modern: "[^\r\n\p{L}\p{N}]?\p{L}+"
    std::size_t letters(std::size_t at, peek first) const {
        if (first.kind == category::letter) return run(at, category::letter);
        const bool leads = modern_ ? first.kind != category::number && !breaks_line(at) : text_[at] == ' ';
        return leads ? after(at, at + first.length, category::letter) : at;
    }
    // " ?\p{N}+"; llama3: "\p{N}{1,3}"; qwen2, smollm: "\p{N}"
    std::size_t numbers(std::size_t at, peek first) const {
        if (first.kind == category::number)
            return run(at, category::number,
                       kind_ == pretokenizer::gpt2     ? unbounded
                       : kind_ == pretokenizer::llama3 ? 3
                                                       : 1);
        return kind_ == pretokenizer::gpt2 && text_[at] == ' ' ? after(at, at + 1, category::number) : at;
    }
    // " ?[^\s\p{L}\p{N}]+"; modern: then "[\r\n]*"
    std::size_t others(std::size_t at, peek first) const {
        std::size_t end = first.kind == category::other ? run(at, category::other)
                          : text_[at] == ' '            ? after(at, at + 1, category::other)
                                                        : at;
        while (end > at && modern_ && breaks_line(end)) ++end;
        return end;
    }
    // "\s+(?!\S)|\s+"; modern: before that "\s*[\r\n]+"
    std::size_t spaces(std::size_t at) const {
        const std::size_t end = run(at, category::space);
        if (modern_)
            for (std::size_t last = end; last > at; --last)
                if (breaks_line(last - 1)) return last;
        // To smollm's pattern a number is the end of the text.
        if (ended(end) || (kind_ == pretokenizer::smollm && is(end, category::number))) return end;
        std::size_t last = end; // the last space goes with the word behind it, if it is not all there is
        do --last;
        while ((static_cast<unsigned char>(text_[last]) & 0xc0) == 0x80);
        return last > at ? last : end;
    }
    std::size_t after(std::size_t at, std::size_t from, category kind) const {
        return is(from, kind) ? run(from, kind) : at;
    }

    std::string_view text_;
    pretokenizer kind_;
    bool modern_;
};

} // namespace

std::size_t end_of_word(pretokenizer kind, std::string_view text, std::size_t at) {
    return splitter(kind, text).end_of_word(at);
}

} // namespace ashlar::support
