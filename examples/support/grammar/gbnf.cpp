// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/gbnf.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <support/unicode.hpp>

namespace ashlar::support {

namespace {

constexpr char32_t last_character = 0x10ffff;

bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Sorted, joined where they touch, without surrogates, which no UTF-8 spells.
std::vector<gbnf::range> tidied(std::vector<gbnf::range> set, bool negated) {
    std::sort(set.begin(), set.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
    std::vector<gbnf::range> joined;
    for (const auto& each : set) {
        if (!joined.empty() && each.low <= joined.back().high + 1)
            joined.back().high = std::max(joined.back().high, each.high);
        else
            joined.push_back(each);
    }
    if (negated) {
        std::vector<gbnf::range> rest;
        char32_t from = 0;
        for (const auto& each : joined) {
            if (each.low > from) rest.push_back({from, each.low - 1});
            from = each.high + 1;
        }
        if (from <= last_character) rest.push_back({from, last_character});
        joined = std::move(rest);
    }
    std::vector<gbnf::range> out;
    for (const auto& each : joined) {
        if (each.low < 0xd800) out.push_back({each.low, std::min<char32_t>(each.high, 0xd7ff)});
        if (each.high > 0xdfff) out.push_back({std::max<char32_t>(each.low, 0xe000), each.high});
    }
    return out;
}

class reader {
public:
    reader(std::string_view text, const gbnf_limits& limits) : text_(text), limits_(limits) {}

    outcome<gbnf> read() {
        if (text_.size() > limits_.bytes) {
            fail(errc::exhausted, "it has more than " + std::to_string(limits_.bytes) + " bytes");
            return *fault_;
        }
        skip(true);
        while (!fault_ && at_ < text_.size()) one_rule();
        if (!fault_) check();
        if (fault_) return *fault_;
        return std::move(made_);
    }

private:
    void fail(errc code, const std::string& why) {
        if (fault_) return;
        const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
        fault_ = make_fault(code, "line " + std::to_string(line) +
                                      (current_.empty() ? "" : ", rule " + in_quotes(current_)) + ": " + why);
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (peek() != c || at_ >= text_.size()) return false;
        return ++at_, true;
    }
    void skip(bool lines) {
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '#')
                at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
            else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r')))
                return;
        }
    }
    std::string name() {
        const std::size_t from = at_;
        while (at_ < text_.size() && is_name(text_[at_])) ++at_;
        return std::string(text_.substr(from, at_ - from));
    }

    std::uint32_t add(gbnf::node node) {
        if (made_.nodes.size() >= limits_.nodes)
            fail(errc::exhausted, "more than " + std::to_string(limits_.nodes) + " parts");
        else
            made_.nodes.push_back(std::move(node));
        return static_cast<std::uint32_t>(std::max<std::size_t>(made_.nodes.size(), 1) - 1);
    }

    std::uint32_t rule_of(const std::string& called) {
        const auto [it, fresh] = by_name_.try_emplace(called, static_cast<std::uint32_t>(made_.rules.size()));
        if (fresh) {
            if (made_.rules.size() >= limits_.rules)
                fail(errc::exhausted, "more than " + std::to_string(limits_.rules) + " rules");
            made_.rules.push_back({called, no_body});
        }
        return it->second;
    }

    void one_rule() {
        current_.clear();
        const std::string called = name();
        if (called.empty()) return fail(errc::corrupt, "the name of a rule is expected");
        current_ = called;
        skip(false);
        if (text_.substr(at_, 3) != "::=") return fail(errc::corrupt, "'::=' is expected behind its name");
        at_ += 3;
        skip(true);
        const std::uint32_t rule = rule_of(called);
        if (fault_) return;
        if (made_.rules[rule].body != no_body) return fail(errc::corrupt, "it stands there twice");
        const std::uint32_t body = choice(0);
        if (fault_) return;
        made_.rules[rule].body = body;
        if (at_ < text_.size() && peek() != '\n' && peek() != '\r')
            return fail(errc::corrupt, std::string("unexpected ") + in_quotes(text_.substr(at_, 1)));
        skip(true);
    }

    // Behind a rule's line, `|` on the next line goes on with it.
    bool next_alternative(bool nested) {
        skip(nested);
        if (take('|')) return true;
        const std::size_t here = at_;
        skip(true);
        if (take('|')) return true;
        at_ = here;
        return false;
    }

    std::uint32_t choice(std::uint32_t depth) {
        if (depth > limits_.nesting)
            return fail(errc::exhausted, "it nests deeper than " + std::to_string(limits_.nesting)), 0u;
        gbnf::node made{.what = gbnf::kind::choice};
        do {
            skip(true);
            made.parts.push_back(sequence(depth));
        } while (!fault_ && next_alternative(depth > 0));
        if (made.parts.size() == 1) return made.parts.front();
        return add(std::move(made));
    }

    std::uint32_t sequence(std::uint32_t depth) {
        gbnf::node made{.what = gbnf::kind::sequence};
        for (skip(depth > 0); !fault_ && at_ < text_.size(); skip(depth > 0)) {
            const char c = peek();
            std::uint32_t one = 0;
            if (c == '"') {
                one = literal();
            } else if (c == '[') {
                one = set();
            } else if (c == '.') {
                ++at_;
                one = add({.what = gbnf::kind::set, .set = tidied({}, true)});
            } else if (c == '(') {
                ++at_;
                skip(true);
                one = choice(depth + 1);
                skip(true);
                if (!fault_ && !take(')')) fail(errc::corrupt, "')' is missing");
            } else if (is_name(c)) {
                one = add({.what = gbnf::kind::rule, .rule = rule_of(name())});
            } else if (c == '<' || c == '!') {
                fail(errc::unsupported, "tokens by id or name ('<...>', '!') are not supported");
            } else {
                break;
            }
            for (std::uint32_t times = 0; !fault_ && repeated(one); ++times) {
                if (times == 4) fail(errc::exhausted, "too many repetitions behind each other");
            }
            made.parts.push_back(one);
        }
        if (made.parts.size() == 1) return made.parts.front();
        return add(std::move(made));
    }

    // The repetition behind `one`, if there is one.
    bool repeated(std::uint32_t& one) {
        skip(false);
        std::uint32_t low = 0, high = gbnf::without_end;
        if (take('?')) {
            high = 1;
        } else if (take('*')) {
        } else if (take('+')) {
            low = 1;
        } else if (take('{')) {
            skip(false);
            low = peek() == ',' ? 0 : number();
            skip(false);
            if (take(',')) {
                skip(false);
                if (peek() != '}') high = number();
                skip(false);
            } else {
                high = low;
            }
            if (!fault_ && !take('}')) fail(errc::corrupt, "'}' is missing behind a repetition");
            if (!fault_ && low > high) fail(errc::corrupt, "a repetition's least is above its most");
        } else {
            return false;
        }
        if (!fault_) one = add({.what = gbnf::kind::repeat, .parts = {one}, .low = low, .high = high});
        return true;
    }

    std::uint32_t number() {
        std::uint32_t value = 0;
        if (peek() < '0' || peek() > '9') return fail(errc::corrupt, "a number is expected in '{}'"), 0u;
        for (; peek() >= '0' && peek() <= '9'; ++at_) {
            value = value * 10 + static_cast<std::uint32_t>(peek() - '0');
            if (value > limits_.repeat)
                return fail(errc::exhausted, "a repetition of more than " + std::to_string(limits_.repeat)), 0u;
        }
        return value;
    }

    // One character of a literal or a set; `raw`: \xHH, a byte and no character above 0x7f.
    char32_t character(bool& raw) {
        raw = false;
        if (at_ >= text_.size() || peek() == '\n') return fail(errc::corrupt, "it ends inside quotes or brackets"), 0u;
        if (!take('\\')) {
            const auto read = read_utf8(text_, at_);
            if (read.length == 0) return fail(errc::corrupt, "bytes that are not UTF-8"), 0u;
            at_ += read.length;
            return static_cast<char32_t>(read.code);
        }
        const char c = peek();
        ++at_;
        switch (c) {
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case 'x':
            raw = true;
            return hex(2);
        case 'u':
            return scalar(hex(4));
        case 'U':
            return scalar(hex(8));
        case '\\':
        case '"':
        case '[':
        case ']':
        case '-':
        case '^':
            return static_cast<char32_t>(c);
        default:
            at_ = std::min(at_, text_.size());
            return fail(errc::corrupt, "an unknown escape '\\'"), 0u;
        }
    }
    char32_t scalar(char32_t code) {
        if (code > last_character || (code >= 0xd800 && code < 0xe000))
            fail(errc::corrupt, "no character has this code");
        return code;
    }
    char32_t hex(int digits) {
        char32_t value = 0;
        for (; digits > 0; --digits, ++at_) {
            const char c = peek();
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) return fail(errc::corrupt, "a hexadecimal digit is missing"), 0u;
            value = value << 4 | static_cast<char32_t>(digit);
        }
        return value;
    }

    std::uint32_t literal() {
        gbnf::node made{.what = gbnf::kind::literal};
        ++at_;
        while (!fault_ && !take('"')) {
            bool raw;
            const char32_t code = character(raw);
            if (raw)
                made.bytes += static_cast<char>(code);
            else
                append_utf8(made.bytes, code);
        }
        return add(std::move(made));
    }

    std::uint32_t set() {
        std::vector<gbnf::range> ranges;
        ++at_;
        const bool negated = take('^');
        while (!fault_ && !take(']')) {
            bool raw;
            const char32_t low = character(raw);
            char32_t high = low;
            if (!fault_ && peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                bool also;
                high = character(also);
            }
            if (!fault_ && low > high)
                fail(errc::corrupt, "a range in brackets whose first character is above its last");
            ranges.push_back({low, high});
        }
        ranges = tidied(std::move(ranges), negated);
        if (!fault_ && ranges.empty()) fail(errc::corrupt, "brackets that no character fits");
        return add({.what = gbnf::kind::set, .set = std::move(ranges)});
    }

    void check() {
        current_.clear();
        for (const auto& each : made_.rules) {
            if (each.body == no_body)
                return fail(errc::not_found, "a rule " + in_quotes(each.name) + " is named, but stands nowhere");
        }
        const auto root = by_name_.find("root");
        if (root == by_name_.end()) return fail(errc::not_found, "there is no rule 'root'");
        made_.root = root->second;
    }

    static constexpr std::uint32_t no_body = 0xffffffff;
    const std::string_view text_;
    const gbnf_limits limits_;
    std::size_t at_ = 0;
    std::string current_;
    gbnf made_;
    std::map<std::string, std::uint32_t> by_name_;
    std::optional<support::fault> fault_;
};

} // namespace

outcome<gbnf> parse_gbnf(std::string_view text, const gbnf_limits& limits) { return reader(text, limits).read(); }

} // namespace ashlar::support
