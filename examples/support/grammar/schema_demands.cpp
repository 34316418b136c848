// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/schema_demands.hpp>

#include <cmath>
#include <set>

#include <support/outcome.hpp>
#include <support/unicode.hpp>

namespace ashlar::support::schema {

namespace {

const std::set<std::string> known_formats = {"date", "time", "date-time", "uuid", "hostname", "email", "ipv4", "uri"};

void few(const json& value, std::size_t most, const std::string& place, const std::string& keyword) {
    if (value.size() > most)
        fail(errc::exhausted, place, "'" + keyword + "' has more than " + std::to_string(most) + " entries");
}
std::uint64_t count(const json& value, const std::string& place, const std::string& keyword) {
    if (value.is_number_float() && value.get<double>() >= 0 && value.get<double>() < 1e9 && type_of(value) == integer_t)
        return static_cast<std::uint64_t>(value.get<double>());
    if (!value.is_number_unsigned()) wrong(place, keyword, "an integer of at least 0");
    return value.get<std::uint64_t>();
}
double number(const json& value, const std::string& place, const std::string& keyword) {
    if (!value.is_number()) wrong(place, keyword, "a number");
    const double x = value.get<double>();
    if (!(std::abs(x) < 1e15)) fail(errc::unsupported, place, "'" + keyword + "' beyond 1e15 is not supported");
    return x;
}

} // namespace

[[noreturn]] void fail(errc code, const std::string& place, const std::string& why) {
    throw make_fault(code, "at " + in_quotes(place.empty() ? "/" : place) + ": " + why);
}
[[noreturn]] void wrong(const std::string& place, const std::string& keyword, const std::string& wanted) {
    fail(errc::corrupt, place, "'" + keyword + "' must be " + wanted);
}

unsigned type_of(const json& value) {
    if (value.is_null()) return null_t;
    if (value.is_boolean()) return boolean_t;
    if (value.is_string()) return string_t;
    if (value.is_array()) return array_t;
    if (value.is_object()) return object_t;
    if (value.is_number_integer()) return integer_t;
    return value.get<double>() == std::floor(value.get<double>()) ? integer_t : fraction_t;
}

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

void demand(demands& own, const std::string& keyword, const json& value, const std::string& place) {
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
        if (value.is_array()) fail(errc::unsupported, place, "'items' as a list is not supported; write 'prefixItems'");
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

bool fits(const json& value, const demands& to, const std::string& place) {
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

} // namespace ashlar::support::schema
