// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/schema_reader.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include <support/outcome.hpp>
#include <support/unicode.hpp>

namespace ashlar::support::schema {

namespace {

const std::set<std::string> annotations = {"title",        "description", "default",     "examples",      "example",
                                           "deprecated",   "readOnly",    "writeOnly",   "$comment",      "$defs",
                                           "$schema",      "$id",         "definitions", "discriminator", "$vocabulary",
                                           "externalDocs", "xml"};

constexpr std::size_t alternatives_max = 256;
constexpr int depth_max = 64;

std::size_t branches(const json& value, const std::string& place, const std::string& keyword) {
    if (!value.is_array() || value.empty()) wrong(place, keyword, "a list of schemas");
    return value.size();
}

} // namespace

const json& schema_reader::referred(const std::string& ref, const std::string& place) const {
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

std::vector<demands> schema_reader::satisfy(const json& schema, std::vector<demands> in, const std::string& place,
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
            demand(own, keyword, value, place);
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

void schema_reader::spend(std::size_t steps, const std::string& place) {
    if ((steps_ += steps) > 1'000'000)
        fail(errc::exhausted, place, "schemas and alternatives multiply beyond what is followed");
}

bool schema_reader::add(demands& into, const demands& more, const std::string& place) {
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

std::vector<demands> schema_reader::ways_of(const json& schema, const std::string& place,
                                            std::vector<std::string> refs) {
    return satisfy(schema, {demands{}}, place, refs);
}

void schema_reader::check_exclusive(const json& schema, const std::string& place, std::vector<std::string> refs) {
    const json& list = schema["oneOf"];
    demands base; // what stands beside it narrows each branch
    if (schema.contains("type")) demand(base, "type", schema["type"], place);
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

bool schema_reader::exclude(const demands& a, const demands& b, const std::string& place, int depth) {
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
    if (common == string_t && !a.choices && !b.choices && (a.max_length < b.min_length || b.max_length < a.min_length))
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

} // namespace ashlar::support::schema
