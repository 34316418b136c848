// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/json_schema.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <support/grammar/gbnf.hpp>
#include <support/grammar/json_characters.hpp>
#include <support/grammar/number_range.hpp>
#include <support/grammar/pattern.hpp>
#include <support/grammar/schema_reader.hpp>
#include <support/unicode.hpp>

namespace ashlar::support {

const std::string_view json_rules =
    R"(json-value ::= json-object | json-array | json-string | json-number | json-boolean | "null"
json-object ::= "{" json-ws (json-pair ("," json-ws json-pair)* json-ws)? "}"
json-pair ::= json-string ":" " "? json-value
json-array ::= "[" json-ws (json-value ("," json-ws json-value)* json-ws)? "]"
json-string ::= "\"" json-char* "\""
json-char ::= json-plain | "\\" (["\\/bfnrt] | "u" json-unit)
json-unit ::= [0-9a-cA-CefEF] json-hex json-hex json-hex | [dD] [0-7] json-hex json-hex
json-plain ::= [^"\\\x00-\x1f\x7f]
json-hex ::= [0-9a-fA-F]
json-integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
json-number ::= json-integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
json-boolean ::= "true" | "false"
json-ws ::= " "? | "\n" " "{0,20}
)";

namespace {

using namespace schema;

constexpr std::string_view formats =
    R"(format-date ::= format-year "-" (format-31 | format-30 | "02-" format-28)
format-31 ::= ("0" [13578] | "1" [02]) "-" (format-28 | "29" | "30" | "31")
format-30 ::= ("0" [469] | "11") "-" (format-28 | "29" | "30")
format-year ::= "000" [1-9] | "00" [1-9] [0-9] | "0" [1-9] [0-9]{2} | [1-9] [0-9]{3}
format-28 ::= "0" [1-9] | "1" [0-9] | "2" [0-8]
format-time ::= format-hour format-60 format-60 ("." [0-9]{1,6})? ("Z" | [-+] format-hour format-60)
format-hour ::= [01] [0-9] | "2" [0-3]
format-60 ::= ":" [0-5] [0-9]
format-date-time ::= format-date "T" format-time
format-uuid ::= json-hex{8} "-" json-hex{4} "-" json-hex{4} "-" json-hex{4} "-" json-hex{12}
format-hostname ::= format-label ("." format-label){0,4}
format-label ::= [a-z0-9] ([a-z0-9] | "-" [a-z0-9]){0,20}
format-email ::= [a-zA-Z0-9_]{1,24} ([.+-] [a-zA-Z0-9_]{1,12}){0,2} "@" (format-label "."){1,4} [a-z]{2,8}
format-ipv4 ::= format-byte "." format-byte "." format-byte "." format-byte
format-byte ::= [0-9] | [1-9] [0-9] | "1" [0-9] [0-9] | "2" [0-4] [0-9] | "25" [0-5]
format-uri ::= "http" "s"? "://" format-hostname ("/" format-uri-char{0,24}){0,6} ("?" format-uri-char{1,24})?
format-uri-char ::= [a-zA-Z0-9_.~-]
)";

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

class compiler {
public:
    explicit compiler(const json& root) : root_(root), reader_(root) {}

    std::string compile() {
        places_.emplace("root", "/");
        const auto start = rule_for(root_, "", "/");
        if (start.empty()) fail(errc::unsupported, "/", "nothing satisfies the schema");
        for (std::size_t at = 0; at < todo_.size(); ++at) {
            const work one = std::move(todo_[at]); // todo_ grows
            write(one);
        }
        return "root ::= " + start + "\n" + text_ + std::string(json_rules) +
               (uses_formats_ ? std::string(formats) : "");
    }

    const std::map<std::string, std::string, std::less<>>& places() const { return places_; } // of rules

private:
    static constexpr std::size_t rules_max = 4096, text_max = 1 << 19;

    struct work {
        std::string rule, place;
        std::vector<demands> ways;
    };

    // The rule of a schema; empty when nothing satisfies it. `hint` is the rule's name to a reader.
    std::string rule_for(const json& schema, const std::string& hint, const std::string& place) {
        if (schema == true || (schema.is_object() && schema.empty())) return "json-value";
        const auto [it, fresh] = names_.try_emplace(dumped(schema));
        if (!fresh) return it->second;
        auto ways = reader_.ways_of(schema, place == "/" ? "" : place);
        if (ways.empty()) return {};
        std::string name = 's' + std::to_string(names_.size());
        for (const char c : hint.substr(0, 40)) {
            const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            name += fine ? c : '-';
        }
        it->second = name;
        todo_.push_back({name, place == "/" ? "" : place, std::move(ways)});
        return name;
    }

    void define(const std::string& name, const std::string& body, const std::string& place) {
        text_ += name + " ::= " + body + "\n";
        places_.emplace(name, place.empty() ? "/" : place);
        if (++rules_ > rules_max || text_.size() > text_max)
            fail(errc::exhausted, place, "the schema takes more than " + std::to_string(rules_max) + " rules");
    }

    void write(const work& one) {
        std::string body;
        const auto alternative = [&](const std::string& text) {
            if (!text.empty()) body += (body.empty() ? "" : " | ") + text;
        };
        for (std::size_t i = 0; i < one.ways.size(); ++i) {
            const demands& way = one.ways[i];
            const std::string base = one.rule + (i ? "-w" + std::to_string(i) : "");
            if (way.choices) {
                for (const json& each : *way.choices) alternative(gbnf_literal(dumped(each)));
                continue;
            }
            const unsigned types = way.written();
            if (types & null_t) alternative("\"null\"");
            if (types & boolean_t) alternative("json-boolean");
            if (types & number_t) alternative(number_text(way, (types & fraction_t) != 0));
            if (types & string_t) alternative(string_text(way, one.place));
            if (types & array_t) alternative(array_text(way, base, one.place));
            if (types & object_t) alternative(object_text(way, base, one.place));
        }
        if (body.empty()) fail(errc::unsupported, one.place, "nothing satisfies the schema");
        define(one.rule, body, one.place);
    }

    static std::string number_text(const demands& way, bool fractions) {
        if (!way.low && !way.high) return fractions ? "json-number" : "json-integer";
        // In units of 10^-digits; a bound between two of them moves inwards.
        const auto bound = [](double x, bool open, bool low, int digits) {
            const double scaled = x * std::pow(10.0, digits), near = std::round(scaled);
            if (std::abs(scaled - near) > 1e-6)
                return static_cast<std::int64_t>(low ? std::ceil(scaled) : std::floor(scaled));
            return static_cast<std::int64_t>(near) + (open ? (low ? 1 : -1) : 0);
        };
        const auto low = [&](int digits) {
            return way.low ? bound(*way.low, way.low_open, true, digits) : -number_most;
        };
        const auto high = [&](int digits) {
            return way.high ? bound(*way.high, way.high_open, false, digits) : number_most;
        };
        std::string out = integers_to_gbnf(low(0), high(0));
        if (fractions) {
            int digits = 2;
            for (const auto& each : {way.low, way.high})
                while (each && digits < 6 &&
                       std::abs(*each * std::pow(10.0, digits) - std::round(*each * std::pow(10.0, digits))) > 1e-6)
                    ++digits;
            if (std::max(std::abs(way.low.value_or(0)), std::abs(way.high.value_or(0))) < 1e9) {
                const std::string more = fractions_to_gbnf(low(digits), high(digits), digits);
                if (!more.empty()) out += (out.empty() ? "" : " | ") + more;
            }
        }
        return out.empty() ? out : "(" + out + ")";
    }

    static std::string repetition(std::uint64_t low, std::uint64_t high) {
        std::string counts = std::to_string(low) + ",";
        if (high != demands::unbounded) counts += std::to_string(high);
        return '{' + counts + '}';
    }

    std::string string_text(const demands& way, const std::string& place) {
        const bool counted = way.min_length > 0 || way.max_length != demands::unbounded;
        if ((way.has_pattern && !way.format.empty()) || (counted && (way.has_pattern || !way.format.empty())))
            fail(errc::unsupported, place,
                 "'pattern', 'format' and 'minLength' or 'maxLength' are supported one at a time");
        if (way.has_pattern) {
            const auto text = pattern_to_gbnf(way.pattern);
            if (!text) fail(text.fault().what.code, place, "'pattern': " + text.fault().sentence);
            return "\"\\\"\" (" + *text + ") \"\\\"\"";
        }
        if (!way.format.empty()) {
            uses_formats_ = true;
            return "\"\\\"\" format-" + way.format + " \"\\\"\"";
        }
        if (!counted) return "json-string";
        if (way.min_length > way.max_length) return {};
        if (way.min_length > 65536 || (way.max_length > 65536 && way.max_length != demands::unbounded))
            fail(errc::unsupported, place, "'minLength' and 'maxLength' above 65536 are not supported");
        return "\"\\\"\" json-char" + repetition(way.min_length, way.max_length) + " \"\\\"\"";
    }

    std::string array_text(const demands& way, const std::string& base, const std::string& place) {
        std::uint64_t most = way.max_items;
        std::vector<std::string> first;
        for (std::size_t i = 0; i < way.prefix.size() && i < most; ++i) {
            const auto name = rule_for(way.prefix[i], "", place + "/prefixItems/" + std::to_string(i));
            if (name.empty())
                most = i;
            else
                first.push_back(name);
        }
        std::uint64_t low = way.min_items > first.size() ? way.min_items - first.size() : 0;
        std::uint64_t high = most == demands::unbounded ? most : most - first.size();
        if (!way.prefix.empty() && !way.items_said) high = std::min(high, low); // nothing was said of more
        const std::string rest = high == 0 ? "" : rule_for(way.items, "-items", place + "/items");
        if (rest.empty()) high = 0;
        if (low > high) return {};
        if (low > 65536 || (high > 65536 && high != demands::unbounded))
            fail(errc::unsupported, place, "'minItems' and 'maxItems' above 65536 are not supported");
        if (first.empty()) {
            if (high == 0) return "\"[\" json-ws \"]\"";
            const std::string more = "(\",\" json-ws " + rest + ")" +
                                     repetition(low ? low - 1 : 0, high == demands::unbounded ? high : high - 1);
            return "\"[\" json-ws (" + rest + " " + more + " json-ws)" + (low ? "" : "?") + " \"]\"";
        }
        std::string tail = high == 0 ? "json-ws" : "(\",\" json-ws " + rest + ")" + repetition(low, high) + " json-ws";
        for (std::size_t i = first.size(); i-- > 0;) {
            std::string with = (i ? "\",\" json-ws " : "") + first[i] + " " + tail;
            if (i < way.min_items) {
                tail = std::move(with);
                continue;
            }
            const std::string name = base + "-i" + std::to_string(i);
            define(name, with + " | " + (i ? "json-ws" : "\"\""), place);
            tail = name;
        }
        return "\"[\" json-ws " + tail + " \"]\"";
    }

    std::string object_text(const demands& way, const std::string& base, const std::string& place) {
        struct member {
            std::string text;
            bool needed;
        };
        std::vector<member> members;
        std::vector<std::string> known;
        const auto declare = [&](const std::string& name, const json& schema) { // false: it must be there and cannot
            const bool needed = way.requires_it(name);
            known.push_back(name);
            const auto rule = rule_for(schema, "-" + name, place + "/properties/" + name);
            if (rule.empty()) return !needed;
            members.push_back({gbnf_literal(dumped(name) + ":") + " \" \"? " + rule, needed});
            return true;
        };
        for (const auto& [name, schema] : way.properties)
            if (!declare(name, schema)) return {};
        for (const auto& name : way.required)
            if (!way.property(name) && !declare(name, way.additional)) return {};
        std::string extra; // a pair of any other name
        if (way.additional_said || known.empty()) {
            const auto rule = rule_for(way.additional, "-more", place + "/additionalProperties");
            if (!rule.empty()) {
                if (known.empty() && rule == "json-value") return "json-object";
                extra = base + "-m";
                define(extra, "\"\\\"\" " + other_names(known, base, place) + " \"\\\":\" \" \"? " + rule, place);
            }
        }
        const std::string more = extra.empty() ? "" : "(\",\" json-ws " + extra + ")* ";
        std::string first = extra.empty() ? "" : "(" + extra + " " + more + "json-ws)?", rest = more + "json-ws";
        for (std::size_t i = members.size(); i-- > 0;) {
            const auto& each = members[i];
            const std::string begun = each.text + " " + rest, next = "\",\" json-ws " + begun;
            if (each.needed) {
                first = begun, rest = next;
                continue;
            }
            const std::string name = base + "-p" + std::to_string(i);
            define(name, next + " | " + rest, place);
            define(name + "f", begun + " | " + (first.empty() ? "\"\"" : first), place);
            rest = name, first = name + "f";
        }
        return "\"{\" json-ws " + first + " \"}\"";
    }

    // Names that are none of `known`, written without escapes: a tree of the known ones, left at every place.
    std::string other_names(const std::vector<std::string>& known, const std::string& base, const std::string& place) {
        if (known.empty()) return "json-plain*";
        struct node {
            std::map<char32_t, std::size_t> below;
            bool ends = false;
        };
        std::vector<node> tree(1);
        for (const auto& name : known) {
            std::size_t at = 0;
            for (std::size_t i = 0; i < name.size();) {
                const auto read = read_utf8(name, i);
                i += std::max(read.length, 1u);
                const auto [it, fresh] = tree[at].below.try_emplace(static_cast<char32_t>(read.code), tree.size());
                const std::size_t next = it->second;
                if (fresh) tree.emplace_back();
                at = next;
            }
            tree[at].ends = true;
        }
        for (std::size_t n = 0; n < tree.size(); ++n) {
            std::string ways = tree[n].ends ? "" : "\"\"", others = "[^\"\\\\\\x00-\\x1f\\x7f";
            for (const auto& [code, next] : tree[n].below) {
                std::string one;
                append_utf8(one, code);
                if (code < 0x20 || code == 0x7f || code == '"' || code == '\\') continue; // cannot be written here
                if (code == ']' || code == '[' || code == '^' || code == '-') others += '\\';
                others += one;
                ways += (ways.empty() ? "" : " | ") + gbnf_literal(one) + " " + base + "-n" + std::to_string(next);
            }
            define(base + "-n" + std::to_string(n), ways + (ways.empty() ? "" : " | ") + others + "] json-plain*",
                   place);
        }
        return base + "-n0";
    }

    const json& root_;
    schema_reader reader_;
    std::string text_;
    std::size_t rules_ = 0;
    bool uses_formats_ = false;
    std::map<std::string, std::string> names_; // of schemas by their text
    std::map<std::string, std::string, std::less<>> places_;
    std::vector<work> todo_;
};

outcome<json> read_schema(std::string_view schema) {
    if (schema.size() > schema_bytes_max)
        return make_fault(errc::exhausted, "a schema may have at most " + std::to_string(schema_bytes_max) + " bytes");
    bool deep = false, twice = false;
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
        deep = deep || depth > 128;
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key) twice = !keys.back().insert(value.get<std::string>()).second || twice;
        return !deep;
    };
    json root = json::parse(schema, watch, false);
    if (deep) return make_fault(errc::exhausted, "the schema nests deeper than 128");
    if (root.is_discarded()) return make_fault(errc::corrupt, "the schema is no JSON");
    if (twice) return make_fault(errc::corrupt, "the schema names something twice in one object");
    return root;
}

} // namespace

outcome<std::string> schema_to_gbnf(std::string_view schema) {
    const auto root = read_schema(schema);
    if (!root) return root.fault();
    try {
        return compiler(*root).compile();
    } catch (const fault& why) {
        return why;
    }
}

std::optional<std::string> place_of_rule(std::string_view schema, std::string_view rule) {
    const auto root = read_schema(schema);
    if (!root) return std::nullopt;
    compiler made(*root);
    try {
        (void)made.compile();
    } catch (const fault&) { // what was written until then has its place
    }
    const auto it = made.places().find(rule);
    return it == made.places().end() ? std::nullopt : std::optional(it->second);
}

} // namespace ashlar::support
