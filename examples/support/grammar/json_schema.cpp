// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/json_schema.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <support/grammar/gbnf.hpp>
#include <support/grammar/number_range.hpp>
#include <support/grammar/pattern.hpp>
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

using json = nlohmann::ordered_json;

enum type : unsigned {
    null_t = 1,
    boolean_t = 2,
    integer_t = 4,
    fraction_t = 8,
    string_t = 16,
    array_t = 32,
    object_t = 64
};
constexpr unsigned number_t = integer_t | fraction_t, all_types = 127;

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
const std::set<std::string> known_formats = {"date", "time", "date-time", "uuid", "hostname", "email", "ipv4", "uri"};

const std::set<std::string> annotations = {"title",        "description", "default",     "examples",      "example",
                                           "deprecated",   "readOnly",    "writeOnly",   "$comment",      "$defs",
                                           "$schema",      "$id",         "definitions", "discriminator", "$vocabulary",
                                           "externalDocs", "xml"};

// What one way to satisfy a schema says. Sub-schemas are conjunctions, as JSON: true, false, or a schema object.
struct demands {
    unsigned types = all_types;
    bool typed = false, whole = false;
    unsigned about = 0; // types that a keyword is about
    std::optional<std::vector<json>> choices;
    std::vector<std::pair<std::string, json>> properties;
    std::vector<std::string> required;
    json additional = true;
    bool additional_said = false;
    std::vector<json> prefix;
    json items = true;
    bool items_said = false;
    std::uint64_t min_items = 0, max_items = unbounded;
    std::uint64_t min_length = 0, max_length = unbounded;
    std::string pattern, format;
    bool has_pattern = false;
    std::optional<double> low, high;
    bool low_open = false, high_open = false; // the bound itself is excluded
    static constexpr std::uint64_t unbounded = ~std::uint64_t{0};

    unsigned written() const { return typed || about == 0 ? types : types & about; }
    const json* property(const std::string& name) const {
        for (const auto& each : properties)
            if (each.first == name) return &each.second;
        return nullptr;
    }
    bool requires_it(const std::string& name) const {
        return std::find(required.begin(), required.end(), name) != required.end();
    }
};

unsigned type_of(const json& value) {
    if (value.is_null()) return null_t;
    if (value.is_boolean()) return boolean_t;
    if (value.is_string()) return string_t;
    if (value.is_array()) return array_t;
    if (value.is_object()) return object_t;
    if (value.is_number_integer()) return integer_t;
    return value.get<double>() == std::floor(value.get<double>()) ? integer_t : fraction_t;
}

// Both at once.
json conjunction(const json& a, const json& b) {
    if (a == true || a == b) return b;
    if (b == true) return a;
    if (a == false || b == false) return false;
    json all = json::array();
    for (const json* each : {&a, &b}) {
        if (each->size() == 1 && each->contains("allOf")) {
            for (const json& part : (*each)["allOf"])
                if (std::find(all.begin(), all.end(), part) == all.end()) all.push_back(part);
        } else if (std::find(all.begin(), all.end(), *each) == all.end()) {
            all.push_back(*each);
        }
    }
    return all.size() == 1 ? all.front() : json{{"allOf", std::move(all)}};
}

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

class compiler {
public:
    explicit compiler(const json& root) : root_(root) {}

    std::string compile() {
        const auto start = rule_for(root_, "", "/");
        if (start.empty()) fail(errc::unsupported, "/", "nothing satisfies the schema");
        for (std::size_t at = 0; at < todo_.size(); ++at) {
            const work one = std::move(todo_[at]); // todo_ grows
            write(one);
        }
        return "root ::= " + start + "\n" + text_ + std::string(json_rules) +
               (uses_formats_ ? std::string(formats) : "");
    }

private:
    static constexpr std::size_t alternatives_max = 256, rules_max = 4096, text_max = 1 << 19;
    static constexpr int depth_max = 64;

    struct work {
        std::string rule, place;
        std::vector<demands> ways;
    };

    [[noreturn]] static void fail(errc code, const std::string& place, const std::string& why) {
        throw make_fault(code, "at " + in_quotes(place.empty() ? "/" : place) + ": " + why);
    }
    [[noreturn]] static void wrong(const std::string& place, const std::string& keyword, const std::string& wanted) {
        fail(errc::corrupt, place, "'" + keyword + "' must be " + wanted);
    }

    // ---- what a schema demands

    const json& referred(const std::string& ref, const std::string& place) const {
        if (ref.empty() || ref[0] != '#' || (ref.size() > 1 && ref[1] != '/'))
            fail(errc::unsupported, place,
                 "$ref " + in_quotes(ref) + " is not supported; only \"#/...\" within the schema is");
        std::string pointer; // percent-decoded
        for (std::size_t i = 1; i < ref.size(); ++i) {
            const auto digit = [&](std::size_t at) {
                const auto found =
                    at < ref.size() ? std::string_view("0123456789abcdef").find(static_cast<char>(ref[at] | 0x20)) : 16;
                return found < 16 ? static_cast<int>(found) : -1;
            };
            if (ref[i] == '%' && digit(i + 1) >= 0 && digit(i + 2) >= 0)
                pointer += static_cast<char>(digit(i + 1) * 16 + digit(i + 2)), i += 2;
            else
                pointer += ref[i];
        }
        const json* at = &root_;
        for (std::size_t from = 0; from < pointer.size();) {
            const std::size_t end = std::min(pointer.find('/', from + 1), pointer.size());
            std::string name;
            for (std::size_t i = from + 1; i < end; ++i) {
                if (pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1'))
                    name += pointer[++i] == '0' ? '~' : '/';
                else
                    name += pointer[i];
            }
            const json* next = nullptr;
            if (at->is_object()) {
                if (const auto it = at->find(name); it != at->end()) next = &*it;
            } else if (at->is_array() && !name.empty() && name.size() < 6 &&
                       name.find_first_not_of("0123456789") == std::string::npos) {
                const auto index = static_cast<std::size_t>(std::stoul(name));
                if (index < at->size()) next = &(*at)[index];
            }
            if (!next) fail(errc::not_found, place, "$ref " + in_quotes(ref) + " leads nowhere");
            at = next;
            from = end;
        }
        return *at;
    }

    // The ways to satisfy `schema` besides each of `in`.
    std::vector<demands> satisfy(const json& schema, std::vector<demands> in, const std::string& place,
                                 std::vector<std::string>& refs) {
        if (refs.size() > depth_max)
            fail(errc::exhausted, place, "more than " + std::to_string(depth_max) + " schemas inside each other");
        spend(20 * (1 + in.size()), place);
        if (schema.is_boolean()) return schema.get<bool>() ? std::move(in) : std::vector<demands>{};
        if (!schema.is_object()) fail(errc::corrupt, place, "a schema must be an object, true or false");
        refs.emplace_back();
        std::vector<demands> out = std::move(in);
        demands own; // what its plain keywords say
        for (const auto& [keyword, value] : schema.items()) {
            if (keyword == "nullable" || annotations.contains(keyword)) {
                if (keyword == "$id" && &schema != &root_)
                    fail(errc::unsupported, place, "'$id' inside a schema is not supported");
                continue;
            }
            if (keyword == "$ref") {
                if (!value.is_string()) wrong(place, keyword, "a string");
                const auto ref = value.get<std::string>();
                if (std::find(refs.begin(), refs.end(), ref) != refs.end())
                    fail(errc::unsupported, place, "$ref " + in_quotes(ref) + " leads to itself");
                refs.back() = ref;
                out = satisfy(referred(ref, place), std::move(out), place + "/$ref", refs);
                refs.back().clear();
            } else if (keyword == "allOf") {
                for (std::size_t i = 0; i < branches(value, place, keyword); ++i)
                    out = satisfy(value[i], std::move(out), place + "/allOf/" + std::to_string(i), refs);
            } else if (keyword == "anyOf" || keyword == "oneOf") {
                const std::size_t count = branches(value, place, keyword);
                if (keyword == "oneOf") check_exclusive(schema, place, refs);
                std::vector<demands> any;
                for (std::size_t i = 0; i < count; ++i) {
                    auto more = satisfy(value[i], out, place + "/" + keyword + "/" + std::to_string(i), refs);
                    std::move(more.begin(), more.end(), std::back_inserter(any));
                    if (any.size() > alternatives_max)
                        fail(errc::exhausted, place,
                             "'" + keyword + "' multiplies to more than " + std::to_string(alternatives_max) +
                                 " alternatives");
                }
                out = std::move(any);
            } else {
                plain(own, keyword, value, place);
            }
        }
        if (const auto it = schema.find("nullable"); it != schema.end()) {
            if (!it->is_boolean()) wrong(place, "nullable", "true or false");
            if (it->get<bool>()) {
                if (own.typed) own.types |= null_t;
            }
        }
        refs.pop_back();
        std::vector<demands> kept;
        for (auto& each : out) {
            if (add(each, own, place)) kept.push_back(std::move(each));
        }
        return kept;
    }

    static std::size_t branches(const json& value, const std::string& place, const std::string& keyword) {
        if (!value.is_array() || value.empty()) wrong(place, keyword, "a list of schemas");
        return value.size();
    }
    static void few(const json& value, std::size_t most, const std::string& place, const std::string& keyword) {
        if (value.size() > most)
            fail(errc::exhausted, place, "'" + keyword + "' has more than " + std::to_string(most) + " entries");
    }
    void spend(std::size_t steps, const std::string& place) {
        if ((steps_ += steps) > 1'000'000)
            fail(errc::exhausted, place, "schemas and alternatives multiply beyond what is followed");
    }
    static std::uint64_t count(const json& value, const std::string& place, const std::string& keyword) {
        if (value.is_number_float() && value.get<double>() >= 0 && value.get<double>() < 1e9 &&
            type_of(value) == integer_t)
            return static_cast<std::uint64_t>(value.get<double>());
        if (!value.is_number_unsigned()) wrong(place, keyword, "an integer of at least 0");
        return value.get<std::uint64_t>();
    }
    static double number(const json& value, const std::string& place, const std::string& keyword) {
        if (!value.is_number()) wrong(place, keyword, "a number");
        const double x = value.get<double>();
        if (!(std::abs(x) < 1e15)) fail(errc::unsupported, place, "'" + keyword + "' beyond 1e15 is not supported");
        return x;
    }

    static void plain(demands& own, const std::string& keyword, const json& value, const std::string& place) {
        if (keyword == "type") {
            own.typed = true;
            own.types = 0;
            for (const json& each : value.is_array() ? value : json::array({value})) {
                const std::string name = each.is_string() ? each.get<std::string>() : "";
                const unsigned bits = name == "null"      ? null_t
                                      : name == "boolean" ? boolean_t
                                      : name == "integer" ? integer_t
                                      : name == "number"  ? number_t
                                      : name == "string"  ? string_t
                                      : name == "array"   ? array_t
                                      : name == "object"  ? object_t
                                                          : 0u;
                if (!bits)
                    wrong(place, keyword, "null, boolean, integer, number, string, array, object or a list of these");
                own.types |= bits;
            }
        } else if (keyword == "enum") {
            if (!value.is_array() || value.empty()) wrong(place, keyword, "a list of values");
            few(value, 4096, place, keyword);
            own.choices = value.get<std::vector<json>>();
        } else if (keyword == "const") {
            own.choices = std::vector<json>(1, value);
        } else if (keyword == "properties") {
            own.about |= object_t;
            if (!value.is_object()) wrong(place, keyword, "an object of schemas");
            few(value, 1024, place, keyword);
            for (const auto& [name, each] : value.items()) own.properties.emplace_back(name, each);
        } else if (keyword == "required") {
            own.about |= object_t;
            if (!value.is_array()) wrong(place, keyword, "a list of names");
            few(value, 1024, place, keyword);
            for (const json& each : value) {
                if (!each.is_string()) wrong(place, keyword, "a list of names");
                if (!own.requires_it(each.get<std::string>())) own.required.push_back(each.get<std::string>());
            }
        } else if (keyword == "additionalProperties") {
            own.about |= object_t;
            own.additional = value;
            own.additional_said = true;
        } else if (keyword == "items") {
            own.about |= array_t;
            if (value.is_array())
                fail(errc::unsupported, place, "'items' as a list is not supported; write 'prefixItems'");
            own.items = value;
            own.items_said = true;
        } else if (keyword == "prefixItems") {
            own.about |= array_t;
            if (!value.is_array()) wrong(place, keyword, "a list of schemas");
            few(value, 1024, place, keyword);
            own.prefix = value.get<std::vector<json>>();
        } else if (keyword == "minItems") {
            own.about |= array_t, own.min_items = count(value, place, keyword);
        } else if (keyword == "maxItems") {
            own.about |= array_t, own.max_items = count(value, place, keyword);
        } else if (keyword == "minLength") {
            own.about |= string_t, own.min_length = count(value, place, keyword);
        } else if (keyword == "maxLength") {
            own.about |= string_t, own.max_length = count(value, place, keyword);
        } else if (keyword == "pattern" || keyword == "format") {
            own.about |= string_t;
            if (!value.is_string()) wrong(place, keyword, "a string");
            (keyword == "pattern" ? own.pattern : own.format) = value.get<std::string>();
            own.has_pattern = own.has_pattern || keyword == "pattern";
            if (keyword == "format" && !known_formats.contains(own.format))
                fail(errc::unsupported, place, "'format' " + in_quotes(own.format) + " is not supported");
        } else if (keyword == "minimum" || keyword == "exclusiveMinimum") {
            own.about |= number_t;
            const double x = number(value, place, keyword);
            const bool open = keyword != "minimum";
            if (!own.low || x > *own.low || (x == *own.low && open)) own.low = x, own.low_open = open;
        } else if (keyword == "maximum" || keyword == "exclusiveMaximum") {
            own.about |= number_t;
            const double x = number(value, place, keyword);
            const bool open = keyword != "maximum";
            if (!own.high || x < *own.high || (x == *own.high && open)) own.high = x, own.high_open = open;
        } else if (keyword == "multipleOf" && value.is_number() && value.get<double>() == 1) {
            own.about |= number_t;
            own.whole = true;
        } else if (keyword == "uniqueItems" && value == false) {
        } else {
            fail(errc::unsupported, place,
                 "the keyword " + in_quotes(keyword) +
                     (keyword == "multipleOf"    ? " is supported for 1 only"
                      : keyword == "uniqueItems" ? " is not supported when true"
                                                 : " is not supported"));
        }
    }

    // Makes `into` demand `more` too; false when nothing can satisfy both.
    bool add(demands& into, const demands& more, const std::string& place) {
        spend((into.choices && more.choices ? into.choices->size() * more.choices->size() : 0) +
                  into.properties.size() * more.properties.size() / 8,
              place);
        into.types &= more.types;
        if (more.whole) into.types &= ~static_cast<unsigned>(fraction_t);
        into.typed = into.typed || more.typed;
        into.about |= more.about;
        if (more.choices) {
            if (into.choices)
                std::erase_if(*into.choices, [&](const json& each) {
                    return std::find(more.choices->begin(), more.choices->end(), each) == more.choices->end();
                });
            else
                into.choices = more.choices;
        }
        std::vector<std::pair<std::string, json>> properties;
        for (const auto& [name, schema] : into.properties) {
            const json* other = more.property(name);
            properties.emplace_back(name, conjunction(schema, other ? *other : more.additional));
        }
        for (const auto& [name, schema] : more.properties) {
            if (!into.property(name)) properties.emplace_back(name, conjunction(into.additional, schema));
        }
        into.properties = std::move(properties);
        into.additional = conjunction(into.additional, more.additional);
        into.additional_said = into.additional_said || more.additional_said;
        for (const auto& name : more.required)
            if (!into.requires_it(name)) into.required.push_back(name);
        std::vector<json> prefix;
        for (std::size_t i = 0; i < std::max(into.prefix.size(), more.prefix.size()); ++i)
            prefix.push_back(conjunction(i < into.prefix.size() ? into.prefix[i] : into.items,
                                         i < more.prefix.size() ? more.prefix[i] : more.items));
        into.prefix = std::move(prefix);
        into.items = conjunction(into.items, more.items);
        into.items_said = into.items_said || more.items_said;
        into.min_items = std::max(into.min_items, more.min_items),
        into.max_items = std::min(into.max_items, more.max_items);
        into.min_length = std::max(into.min_length, more.min_length);
        into.max_length = std::min(into.max_length, more.max_length);
        if (more.has_pattern) {
            if (into.has_pattern && into.pattern != more.pattern)
                fail(errc::unsupported, place, "'pattern' twice for one string is not supported");
            into.pattern = more.pattern, into.has_pattern = true;
        }
        if (!more.format.empty()) {
            if (!into.format.empty() && into.format != more.format)
                fail(errc::unsupported, place, "'format' twice for one string is not supported");
            into.format = more.format;
        }
        if (more.low && (!into.low || *more.low > *into.low || (*more.low == *into.low && more.low_open)))
            into.low = more.low, into.low_open = more.low_open;
        if (more.high && (!into.high || *more.high < *into.high || (*more.high == *into.high && more.high_open)))
            into.high = more.high, into.high_open = more.high_open;
        if (!into.choices) return into.types != 0;
        std::erase_if(*into.choices, [&](const json& each) { return !fits(each, into, place); });
        return !into.choices->empty();
    }

    // Whether a listed value satisfies the rest.
    static bool fits(const json& value, const demands& to, const std::string& place) {
        const unsigned type = type_of(value);
        if (!(to.types & type)) return false;
        if (type & number_t) {
            const double x = value.get<double>();
            return !(to.low && (to.low_open ? x <= *to.low : x < *to.low)) &&
                   !(to.high && (to.high_open ? x >= *to.high : x > *to.high));
        }
        if (type == string_t) {
            if (to.has_pattern || !to.format.empty())
                fail(errc::unsupported, place, "'enum' or 'const' beside 'pattern' or 'format' is not supported");
            const auto text = value.get<std::string>();
            const auto length = static_cast<std::uint64_t>(
                std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
            return length >= to.min_length && length <= to.max_length;
        }
        if ((type == object_t && (to.about & object_t)) || (type == array_t && (to.about & array_t)))
            fail(errc::unsupported, place,
                 "'enum' or 'const' of objects or lists beside keywords about them is not supported");
        return true;
    }

    // ---- oneOf

    std::vector<demands> ways_of(const json& schema, const std::string& place, std::vector<std::string> refs = {}) {
        return satisfy(schema, {demands{}}, place, refs);
    }

    void check_exclusive(const json& schema, const std::string& place, std::vector<std::string> refs) {
        const json& list = schema["oneOf"];
        demands base; // what stands beside it narrows each branch
        if (schema.contains("type")) plain(base, "type", schema["type"], place);
        std::vector<std::vector<demands>> branches;
        for (std::size_t i = 0; i < list.size(); ++i)
            branches.push_back(satisfy(list[i], {base}, place + "/oneOf/" + std::to_string(i), refs));
        for (std::size_t i = 0; i < branches.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                for (const auto& a : branches[i])
                    for (const auto& b : branches[j])
                        if (!exclude(a, b, place, 0))
                            fail(errc::unsupported, place,
                                 "'oneOf' whose branches " + std::to_string(j) + " and " + std::to_string(i) +
                                     " may both hold is not supported; write 'anyOf', or give a required property "
                                     "another constant in each");
    }

    bool exclude(const demands& a, const demands& b, const std::string& place, int depth) {
        spend(1 + (a.choices && b.choices ? a.choices->size() * b.choices->size() : 0), place);
        if (a.choices && b.choices)
            return std::none_of(a.choices->begin(), a.choices->end(), [&](const json& each) {
                return std::find(b.choices->begin(), b.choices->end(), each) != b.choices->end();
            });
        const auto types = [](const demands& of) {
            unsigned bits = of.types;
            if (of.choices) {
                bits = 0;
                for (const json& each : *of.choices) bits |= type_of(each);
            }
            return bits;
        };
        const unsigned common = types(a) & types(b);
        if (common == 0) return true;
        const auto apart = [](const demands& x, const demands& y) {
            return x.high && y.low && (*x.high < *y.low || (*x.high == *y.low && (x.high_open || y.low_open)));
        };
        if ((common & ~number_t) == 0 && (apart(a, b) || apart(b, a))) return true;
        if (common == string_t && !a.choices && !b.choices &&
            (a.max_length < b.min_length || b.max_length < a.min_length))
            return true;
        if (common == array_t && (a.max_items < b.min_items || b.max_items < a.min_items)) return true;
        if (common != object_t || depth > 2) return false;
        for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
            for (const auto& name : x->required) {
                const json* in_y = y->property(name);
                if (!in_y && y->additional == false) return true;
                const json* in_x = x->property(name);
                if (!in_x || !in_y || !y->requires_it(name)) continue;
                bool all = true;
                for (const auto& one : ways_of(*in_x, place))
                    for (const auto& other : ways_of(*in_y, place)) all = all && exclude(one, other, place, depth + 1);
                if (all) return true;
            }
        }
        return false;
    }

    // ---- rules

    // The rule of a schema; empty when nothing satisfies it. `hint` is the rule's name to a reader.
    std::string rule_for(const json& schema, const std::string& hint, const std::string& place) {
        if (schema == true || (schema.is_object() && schema.empty())) return "json-value";
        const auto [it, fresh] = names_.try_emplace(dumped(schema));
        if (!fresh) return it->second;
        auto ways = ways_of(schema, place == "/" ? "" : place);
        if (ways.empty()) return {};
        std::string name = "s" + std::to_string(names_.size());
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
        return "{" + std::to_string(low) + "," + (high == demands::unbounded ? "" : std::to_string(high)) + "}";
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
    std::string text_;
    std::size_t rules_ = 0, steps_ = 0;
    bool uses_formats_ = false;
    std::map<std::string, std::string> names_; // of schemas by their text
    std::vector<work> todo_;
};

} // namespace

outcome<std::string> schema_to_gbnf(std::string_view schema) {
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
    const json root = json::parse(schema, watch, false);
    if (deep) return make_fault(errc::exhausted, "the schema nests deeper than 128");
    if (root.is_discarded()) return make_fault(errc::corrupt, "the schema is no JSON");
    if (twice) return make_fault(errc::corrupt, "the schema names something twice in one object");
    try {
        return compiler(root).compile();
    } catch (const fault& why) {
        return why;
    }
}

} // namespace ashlar::support
