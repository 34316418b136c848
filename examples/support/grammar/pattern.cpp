// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/pattern.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <support/grammar/json_characters.hpp>
#include <support/unicode.hpp>

namespace ashlar::support {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr char32_t last_character = 0x10ffff, last_printable = 0x7e;
const json_characters digits{.ranges = {{'0', '9'}}}, word{.ranges = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    space{.ranges = {{'\t', '\r'}, {' ', ' '}}}, line_end{.ranges = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}};

class reader {
public:
    explicit reader(std::string_view text) : text_(text) {}

    outcome<std::string> read() {
        std::string out;
        do {
            const std::string one = alternative();
            out += (out.empty() ? "" : " | ") + (one.empty() ? std::string("\"\"") : one);
        } while (!fault_ && take('|'));
        if (!fault_ && at_ < text_.size()) fail(errc::corrupt, "an unmatched ')'");
        if (fault_) return *fault_;
        return out;
    }

private:
    void fail(errc code, const std::string& why) {
        if (!fault_) fault_ = make_fault(code, why + " at character " + std::to_string(at_));
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        return ++at_, true;
    }
    bool take(std::string_view what) {
        if (text_.substr(at_, what.size()) != what) return false;
        return at_ += what.size(), true;
    }

    std::string alternative() { // of the whole pattern
        const bool from_start = take('^');
        while (take('^')) {
        }
        std::string body = terms(0);
        const bool to_end = take('$');
        while (take('$')) {
        }
        if (!fault_ && at_ < text_.size() && peek() != '|' && peek() != ')')
            fail(errc::unsupported, "an anchor '$' before the end of the pattern is not supported");
        if (body.empty() && !(from_start && to_end)) return "json-char*";
        return (from_start ? "" : "json-char* ") + body + (to_end ? "" : " json-char*");
    }

    std::string group(int depth) {
        std::string out;
        do {
            const std::string one = terms(depth);
            if (!fault_ && peek() == '$') fail(errc::unsupported, "anchors inside groups are not supported");
            out += (out.empty() ? "" : " | ") + (one.empty() ? std::string("\"\"") : one);
        } while (!fault_ && take('|'));
        if (!fault_ && !take(')')) fail(errc::corrupt, "')' is missing");
        return "(" + out + ")";
    }

    std::string terms(int depth) {
        std::string out;
        while (!fault_ && at_ < text_.size() && peek() != '|' && peek() != ')' && peek() != '$') {
            std::string one = atom(depth);
            if (fault_) break;
            one += quantifier();
            out += (out.empty() ? "" : " ") + one;
        }
        return out;
    }

    std::string quantifier() {
        std::string out;
        if (take('?'))
            out = "?";
        else if (take('*'))
            out = "*";
        else if (take('+'))
            out = "+";
        else if (peek() == '{') {
            const std::size_t end = text_.find('}', at_);
            const auto inside = text_.substr(at_ + 1, end == std::string_view::npos ? 0 : end - at_ - 1);
            if (end == std::string_view::npos || inside.empty() || inside.front() == ',' ||
                inside.find_first_not_of("0123456789,") != std::string_view::npos)
                return fail(errc::unsupported, "'{' that begins no repetition is not supported; write \\{"), out;
            out = text_.substr(at_, end - at_ + 1);
            at_ = end + 1;
        } else {
            return out;
        }
        (void)take('?'); // a lazy one matches the same texts
        if (peek() == '?' || peek() == '*' || peek() == '+' || peek() == '{')
            fail(errc::corrupt, "a repetition of a repetition");
        return out;
    }

    std::string atom(int depth) {
        if (depth > 24) return fail(errc::exhausted, "groups nest deeper than 24"), "";
        const char c = peek();
        switch (c) {
        case '(':
            ++at_;
            if (take("?:")) return group(depth + 1);
            if (peek() == '?')
                return fail(errc::unsupported, "look-around and named groups '(?' are not supported"), "";
            return group(depth + 1);
        case '[':
            return set();
        case '.':
            ++at_;
            return line_end.negated(last_character).text();
        case '^':
            return fail(errc::unsupported, "an anchor '^' behind the beginning is not supported"), "";
        case '*':
        case '+':
        case '?':
        case '{':
            return fail(errc::corrupt, "a repetition of nothing"), "";
        case '\\': {
            json_characters one;
            escape(one, false);
            return one.text();
        }
        default: {
            json_characters one;
            const char32_t code = character();
            one.ranges.push_back({code, code});
            return one.text();
        }
        }
    }

    char32_t character() {
        const auto read = read_utf8(text_, at_);
        if (read.length == 0) return fail(errc::corrupt, "bytes that are not UTF-8"), 0u;
        at_ += read.length;
        return static_cast<char32_t>(read.code);
    }

    char32_t hex(int count) {
        char32_t value = 0;
        for (; count > 0; --count, ++at_) {
            const char c = static_cast<char>(peek() >= 'A' && peek() <= 'F' ? peek() | 0x20 : peek());
            const auto digit = hex_digits.find(c);
            if (digit == hex_digits.npos) return fail(errc::corrupt, "a hexadecimal digit is missing"), 0u;
            value = value << 4 | static_cast<char32_t>(digit);
        }
        if (value >= 0xd800 && value < 0xe000) fail(errc::unsupported, "surrogates are not supported");
        return value;
    }

    // True: one character, which may begin a range.
    bool escape(json_characters& out, bool in_set) {
        ++at_;
        const char c = peek();
        ++at_;
        const auto one = [&](char32_t code) { return out.ranges.push_back({code, code}), true; };
        switch (c) {
        case 'd':
            return out.add(digits), false;
        case 'w':
            return out.add(word), false;
        case 's':
            return out.add(space), false;
        case 'D':
            return out.add(digits.negated(last_printable)), false;
        case 'W':
            return out.add(word.negated(last_printable)), false;
        case 'S':
            return out.add(space.negated(last_printable)), false;
        case 't':
            return one('\t');
        case 'n':
            return one('\n');
        case 'r':
            return one('\r');
        case 'f':
            return one('\f');
        case 'v':
            return one('\v');
        case 'x':
            return one(hex(2));
        case 'u':
            return one(hex(4));
        case 'b':
            if (in_set) return one('\b');
            [[fallthrough]];
        default:
            if (c > 0x20 && c < 0x7f && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9'))
                return one(static_cast<char32_t>(c));
            at_ = std::min(at_, text_.size());
            fail(errc::unsupported,
                 "the escape \\" + (c > 0x20 && c < 0x7f ? std::string(1, c) : "") + " is not supported");
            return false;
        }
    }

    std::string set() {
        json_characters all;
        ++at_;
        const bool negated = take('^');
        while (!fault_ && !take(']')) {
            if (at_ >= text_.size()) return fail(errc::corrupt, "']' is missing"), "";
            json_characters low;
            bool single = true;
            if (peek() == '\\')
                single = escape(low, true);
            else
                low.ranges.push_back({character(), 0}), low.ranges.back().high = low.ranges.back().low;
            if (!fault_ && peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                json_characters high;
                const bool also = peek() != '\\' || escape(high, true);
                if (high.ranges.empty() && !fault_) {
                    const char32_t code = character();
                    high.ranges.push_back({code, code});
                }
                if (fault_) return "";
                if (!single || !also) return fail(errc::corrupt, "a range of classes"), "";
                if (high.ranges.front().low < low.ranges.front().low)
                    return fail(errc::corrupt, "a range whose first character is above its last"), "";
                low.ranges.front().high = high.ranges.front().low;
            }
            all.add(low);
        }
        if (fault_) return "";
        // Complements of ASCII complements would be larger than what both dialects agree on.
        if (negated && all.broad) return fail(errc::unsupported, "\\D, \\W and \\S inside [^ ] are not supported"), "";
        const std::string text = (negated ? all.negated(last_character) : all).text();
        if (text.empty()) fail(errc::unsupported, "brackets that no character fits");
        return text;
    }

    const std::string_view text_;
    std::size_t at_ = 0;
    std::optional<support::fault> fault_;
};

} // namespace

outcome<std::string> pattern_to_gbnf(std::string_view pattern) { return reader(pattern).read(); }

} // namespace ashlar::support
