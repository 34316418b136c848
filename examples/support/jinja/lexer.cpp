// SPDX-License-Identifier: Apache-2.0
#include <support/jinja/lexer.hpp>

#include <algorithm>
#include <utility>

#include <support/unicode.hpp>

namespace ashlar::support::jinja {

namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// One "\n" for each line's end, and none at the end of all.
std::string with_plain_lines(std::string_view source) {
    std::string out;
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r') {
            out += '\n';
            i += i + 1 < source.size() && source[i + 1] == '\n';
        } else {
            out += source[i];
        }
    }
    if (out.ends_with('\n')) out.pop_back();
    return out;
}

class lexer {
public:
    explicit lexer(std::string source) : source_(std::move(source)) {}

    std::vector<token> all() {
        while (at_ < source_.size()) outside();
        put(token::kind::end, {});
        return std::move(out_);
    }

private:
    [[noreturn]] void refuse(errc code, const std::string& why) const {
        throw make_fault(code, "line " + std::to_string(line_) + ": " + why);
    }
    void put(token::kind what, std::string text) { out_.push_back({what, std::move(text), line_}); }
    void move(std::size_t to) {
        line_ += static_cast<std::uint32_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                       source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
        at_ = to;
    }
    bool here(std::string_view text) const { return std::string_view(source_).substr(at_).starts_with(text); }

    // Text up to the next tag, and the tag.
    void outside() {
        const std::size_t from = at_;
        std::size_t tag = from;
        while ((tag = source_.find('{', tag)) != std::string::npos) {
            const char next = tag + 1 < source_.size() ? source_[tag + 1] : ' ';
            if (next == '{' || next == '%' || next == '#') break;
            ++tag;
        }
        if (tag == std::string::npos) {
            put(token::kind::data, source_.substr(from));
            return move(source_.size());
        }
        std::string data = source_.substr(from, tag - from);
        const char sort = source_[tag + 1];
        std::size_t begin = tag + 2;
        const char mark = begin < source_.size() ? source_[begin] : ' ';
        if (mark == '-') {
            data.resize(behind_last_not_space(data));
        } else if (mark != '+' && sort != '{') {
            const std::size_t last = data.rfind('\n'), line = last == std::string::npos ? 0 : last + 1;
            if ((line > 0 || line_starts_) &&
                first_not_space(std::string_view(data).substr(line)) == data.size() - line)
                data.resize(line);
        }
        if (mark == '-' || mark == '+') ++begin;
        if (!data.empty()) put(token::kind::data, std::move(data));
        move(begin);
        if (sort == '#') return comment();
        put(sort == '%' ? token::kind::block_begin : token::kind::print_begin, {});
        inside(sort);
    }

    void comment() {
        const std::size_t end = source_.find("#}", at_);
        if (end == std::string::npos) refuse(errc::corrupt, "a comment has no end");
        const char mark = end > at_ ? source_[end - 1] : ' ';
        move(end + 2);
        behind(mark, true);
    }

    // White space behind a tag.
    void behind(char mark, bool is_block) {
        std::size_t to = at_;
        if (mark == '-')
            to += first_not_space(std::string_view(source_).substr(at_));
        else if (is_block && mark != '+' && here("\n"))
            ++to;
        move(to);
        line_starts_ = source_[at_ - 1] == '\n';
    }

    void inside(char sort) {
        const std::string_view close = sort == '%' ? "%}" : "}}";
        std::string open; // brackets
        for (;;) {
            move(at_ + first_not_space(std::string_view(source_).substr(at_)));
            if (at_ == source_.size()) refuse(errc::corrupt, "a tag has no end");
            if (open.empty()) {
                char mark = source_[at_];
                const std::size_t skip = mark == '-' || (mark == '+' && sort == '%') ? 1 : 0;
                if (std::string_view(source_).substr(at_ + skip).starts_with(close)) {
                    if (skip == 0) mark = ' ';
                    put(sort == '%' ? token::kind::block_end : token::kind::print_end, {});
                    move(at_ + skip + 2);
                    return behind(mark, sort == '%');
                }
            }
            one(open);
        }
    }

    void one(std::string& open) {
        const char c = source_[at_];
        std::size_t end = at_;
        if (is_name_start(c)) {
            while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
            put(token::kind::name, source_.substr(at_, end - at_));
            return move(end);
        }
        if (is_digit(c)) return number();
        if (c == '"' || c == '\'') return string();
        constexpr std::string_view signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                              "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
        for (const auto sign : signs) {
            if (!here(sign)) continue;
            if (sign == "(" || sign == "[" || sign == "{") open += sign == "(" ? ')' : sign == "[" ? ']' : '}';
            if (sign == ")" || sign == "]" || sign == "}") {
                if (open.empty() || open.back() != sign[0])
                    refuse(errc::corrupt, "unexpected '" + std::string(sign) + "'");
                open.pop_back();
            }
            put(token::kind::sign, std::string(sign));
            return move(at_ + sign.size());
        }
        refuse(errc::corrupt, "unexpected character " + in_quotes(std::string_view(source_).substr(at_, 1)));
    }

    void number() {
        std::size_t end = at_;
        bool real = false;
        const auto digits = [&] {
            while (end < source_.size() && is_digit(source_[end])) ++end;
        };
        digits();
        if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) real = true, ++end, digits();
        if (end < source_.size() && (is_name_start(source_[end]) || source_[end] == '_'))
            refuse(errc::unsupported, "the number " + in_quotes(std::string_view(source_).substr(at_, end + 1 - at_)));
        put(real ? token::kind::real : token::kind::integer, source_.substr(at_, end - at_));
        move(end);
    }

    std::uint32_t hex(std::size_t from, std::size_t count) const {
        std::uint32_t code = 0;
        for (std::size_t i = from; i < from + count; ++i) {
            const char c = i < source_.size() ? source_[i] : ' ', low = static_cast<char>(c | 0x20);
            if (!is_digit(c) && (low < 'a' || low > 'f')) refuse(errc::corrupt, "an escape lacks hexadecimal digits");
            code = code * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0' : low - 'a' + 10);
        }
        return code;
    }

    void string() {
        const char quote = source_[at_];
        std::string out;
        std::size_t end = at_ + 1;
        for (; end < source_.size() && source_[end] != quote; ++end) {
            if (source_[end] != '\\') {
                out += source_[end];
                continue;
            }
            if (++end == source_.size()) break;
            const char c = source_[end];
            constexpr std::string_view letters = "\\'\"nrtbfav", means = "\\'\"\n\r\t\b\f\a\v";
            if (const auto at = letters.find(c); at != std::string_view::npos) {
                out += means[at];
            } else if (c == 'x' || c == 'u') {
                const std::size_t count = c == 'x' ? 2 : 4;
                const std::uint32_t code = hex(end + 1, count);
                if (code >= 0xd800 && code < 0xe000) refuse(errc::unsupported, "half of a surrogate pair in a text");
                append_utf8(out, code);
                end += count;
            } else if (is_digit(c) || c == 'N' || c == 'U' || c == '\n') {
                refuse(errc::unsupported, std::string("the escape '\\") + (c == '\n' ? ' ' : c) + "'");
            } else {
                (out += '\\') += c; // as Python has it
            }
        }
        if (end >= source_.size()) refuse(errc::corrupt, "a text has no closing quote");
        put(token::kind::string, std::move(out));
        move(end + 1);
    }

    const std::string source_;
    std::size_t at_ = 0;
    std::uint32_t line_ = 1;
    bool line_starts_ = true;
    std::vector<token> out_;
};

} // namespace

bool is_space(std::uint32_t code) {
    return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
           code == 0x205f || code == 0x3000;
}

std::size_t first_not_space(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const auto read = read_utf8(bytes, at);
        if (read.length == 0 || !is_space(read.code)) break;
        at += read.length;
    }
    return at;
}

std::size_t behind_last_not_space(std::string_view bytes) {
    std::size_t end = bytes.size();
    while (end > 0) {
        std::size_t at = end - 1;
        while (at > 0 && end - at < 4 && (bytes[at] & 0xc0) == 0x80) --at;
        const auto read = read_utf8(bytes, at);
        if (read.length != end - at || !is_space(read.code)) break;
        end = at;
    }
    return end;
}

outcome<std::vector<token>> tokens_of(std::string_view source) {
    try {
        return lexer(with_plain_lines(source)).all();
    } catch (const fault& why) {
        return why;
    }
}

} // namespace ashlar::support::jinja
