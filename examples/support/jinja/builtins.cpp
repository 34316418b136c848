// SPDX-License-Identifier: Apache-2.0
// Sources: pallets/jinja, src/jinja2/filters.py and tests.py (3.1); huggingface/transformers,
// utils/chat_template_utils.py; Python's str and dict. What changes the case of letters is left out: it would need all
// of Unicode's tables.
#include <support/jinja/builtins.hpp>

#include <algorithm>
#include <utility>

#include <support/jinja/lexer.hpp>
#include <support/jinja/operations.hpp>
#include <support/unicode.hpp>

namespace ashlar::support::jinja {

namespace {

constexpr std::int64_t range_max = 100'000; // as in Jinja2's sandbox

const value& argument(const call_frame& in, std::size_t i) { return in.arguments[i]; }

const text& text_of(const value& of, const char* what) {
    const text* got = of.as_text();
    if (!got) unsupported(std::string(what) + " needs a text, not " + std::string(of.kind()));
    return *got;
}
std::int64_t integer_of(const value& of, const char* what) {
    if (const auto* x = of.get<std::int64_t>()) return *x;
    if (const auto* x = of.get<bool>()) return *x;
    unsupported(std::string(what) + " needs a whole number, not " + std::string(of.kind()));
}
const map& map_of(const value& of, const char* what) {
    const map* got = of.as_map();
    if (!got) unsupported(std::string(what) + " needs a map, not " + std::string(of.kind()));
    return *got;
}

// ---- text

enum ends : unsigned { left = 1, right = 2 };

value stripped(const text& of, const value& characters, unsigned which, budget& costs) {
    costs.check(of.bytes.size());
    std::size_t from = 0, to = of.bytes.size();
    if (characters.is_none() || characters.is_undefined()) {
        if (which & left) from = first_not_space(of.bytes);
        if (which & right) to = std::max(from, behind_last_not_space(of.bytes));
        return of.part(from, to - from);
    }
    const list set = elements(text_of(characters, "stripping"), costs), all = elements(of, costs);
    const auto within = [&](const value& one) { return contains(set, one, costs); };
    std::size_t first = 0, last = all.size();
    while ((which & left) && first < last && within(all[first])) from += all[first++].as_text()->bytes.size();
    while ((which & right) && last > first && within(all[last - 1])) to -= all[--last].as_text()->bytes.size();
    return of.part(from, to - from);
}

value replaced(const text& of, const text& old, const text& fresh, std::int64_t count, budget& costs) {
    if (old.bytes.empty()) unsupported("replacing an empty text");
    costs.check(of.bytes.size());
    text out;
    std::size_t at = 0;
    for (std::size_t found; count != 0 && (found = of.bytes.find(old.bytes, at)) != std::string::npos; --count) {
        out += of.part(at, found - at);
        out += fresh;
        costs.fits(out.bytes.size());
        at = found + old.bytes.size();
    }
    out += of.part(at);
    costs.check(out.bytes.size());
    return out;
}

value split(const text& of, const value& by, std::int64_t count, budget& costs) {
    costs.check(of.bytes.size());
    list out;
    if (!by.is_none() && !by.is_undefined()) {
        const text& sign = text_of(by, "split");
        if (sign.bytes.empty()) unsupported("splitting by an empty text");
        std::size_t at = 0;
        for (std::size_t found; count != 0 && (found = of.bytes.find(sign.bytes, at)) != std::string::npos; --count) {
            costs.spend(1);
            out.emplace_back(of.part(at, found - at));
            at = found + sign.bytes.size();
        }
        out.emplace_back(of.part(at));
        return out;
    }
    std::size_t at = first_not_space(of.bytes);
    for (; at < of.bytes.size() && count != 0; --count) {
        std::size_t end = at;
        for (code_point read{}; end < of.bytes.size(); end += std::max(read.length, 1u)) {
            read = read_utf8(of.bytes, end);
            if (read.length != 0 && is_space(read.code)) break;
        }
        costs.spend(1);
        out.emplace_back(of.part(at, end - at));
        at = end + first_not_space(std::string_view(of.bytes).substr(end));
    }
    if (at < of.bytes.size()) out.emplace_back(of.part(at));
    return out;
}

template <bool Begin>
value has_end(const call_frame& in) {
    const auto& whole = text_of(argument(in, 0), "startswith").bytes;
    const auto& part = text_of(argument(in, 1), "startswith").bytes;
    return Begin ? whole.starts_with(part) : whole.ends_with(part);
}
template <unsigned Which>
value strip(const call_frame& in) {
    return stripped(text_of(argument(in, 0), "strip"), argument(in, 1), Which, in.costs);
}
value replace(const call_frame& in) {
    const std::int64_t count =
        in.present[3] && !argument(in, 3).is_none() ? integer_of(argument(in, 3), "replace") : -1;
    const text subject = printed(argument(in, 0));
    return replaced(subject, text_of(argument(in, 1), "replace"), text_of(argument(in, 2), "replace"), count, in.costs);
}

// ---- lists and maps

value length(const call_frame& in) {
    const value& of = argument(in, 0);
    if (const auto* x = of.as_text()) {
        in.costs.check(x->bytes.size());
        return static_cast<std::int64_t>(std::ranges::count_if(x->bytes, [](char c) { return (c & 0xc0) != 0x80; }));
    }
    if (const auto* x = of.as_list()) return static_cast<std::int64_t>(x->size());
    if (const auto* x = of.as_map()) return static_cast<std::int64_t>(x->size());
    if (of.is_undefined()) return std::int64_t{0};
    unsupported("the length of " + std::string(of.kind()));
}
value first(const call_frame& in) {
    const list all = elements(argument(in, 0), in.costs);
    return all.empty() ? value() : all.front();
}
value last(const call_frame& in) {
    const list all = elements(argument(in, 0), in.costs);
    return all.empty() ? value() : all.back();
}
value join(const call_frame& in) {
    text out, between = in.present[1] ? printed(argument(in, 1)) : text();
    const list all = elements(argument(in, 0), in.costs);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out += between;
        out += printed(all[i]);
        in.costs.fits(out.bytes.size());
    }
    in.costs.check(out.bytes.size());
    return out;
}
value items_of(const map& of, budget& costs) {
    list out;
    for (const auto& [name, each] : of) {
        costs.spend(1);
        out.emplace_back(list{given(name), each});
    }
    return out;
}
value items(const call_frame& in) {
    if (argument(in, 0).is_undefined()) return list();
    return items_of(map_of(argument(in, 0), "items"), in.costs);
}
value values(const call_frame& in) {
    list out;
    for (const auto& each : map_of(argument(in, 0), "values")) in.costs.spend(1), out.push_back(each.second);
    return out;
}
value get(const call_frame& in) {
    const auto* found = find(map_of(argument(in, 0), "get"), text_of(argument(in, 1), "get").bytes);
    return found ? *found : in.present[2] ? argument(in, 2) : value(nullptr);
}
value members(const call_frame& in) { // map(attribute=...)
    list out;
    const auto& name = text_of(argument(in, 1), "map").bytes;
    if (name.find('.') != std::string::npos) unsupported("a path in the filter 'map'");
    for (const auto& each : elements(argument(in, 0), in.costs)) {
        const auto* found = attribute(each, name);
        out.push_back(found ? *found : value());
    }
    return out;
}
value otherwise(const call_frame& in) {
    const value& of = argument(in, 0);
    const bool missing = of.is_undefined() || (in.present[2] && argument(in, 2).truth() && !of.truth());
    return !missing ? of : in.present[1] ? argument(in, 1) : value(text());
}
value to_json(const call_frame& in) {
    if (in.present[2] && argument(in, 2).truth()) unsupported("'tojson' with ensure_ascii");
    const bool indented = in.present[1] && !argument(in, 1).is_none();
    const std::int64_t indent = indented ? integer_of(argument(in, 1), "tojson") : -1;
    if (indented && (indent < 0 || indent > 16)) unsupported("'tojson' with so wide an indent");
    counted_text out;
    append_json(out, argument(in, 0), indent, [&](std::size_t bytes) { in.costs.spend(1), in.costs.fits(bytes); });
    in.costs.check(out.size());
    return given(out);
}

// ---- functions

value range(const call_frame& in) {
    std::int64_t from = 0, to = integer_of(argument(in, 0), "range"), step = 1;
    if (in.present[1]) from = to, to = integer_of(argument(in, 1), "range");
    if (in.present[2]) step = integer_of(argument(in, 2), "range");
    constexpr std::int64_t most = std::int64_t{1} << 40;
    for (const auto each : {from, to, step})
        if (each < -most || each > most) unsupported("so large a range");
    if (step == 0) unsupported("a range by steps of 0");
    list out;
    for (std::int64_t x = from; step > 0 ? x < to : x > to; x += step) {
        in.costs.spend(1);
        if (out.size() == range_max) throw make_fault(errc::exhausted, "a range is too long");
        out.emplace_back(x);
    }
    return out;
}
value raise(const call_frame& in) {
    throw make_fault(errc::invalid_argument, std::string(std::string_view(printed(argument(in, 0)).bytes)));
}
value time_text(const call_frame& in) {
    const auto& format = text_of(argument(in, 0), "strftime_now").bytes;
    std::tm local{};
    char out[256];
    if (format.empty() || format.size() > 64 || !localtime_r(&in.now, &local)) unsupported("such a format of time");
    return given({out, std::strftime(out, sizeof out, format.c_str(), &local)});
}

// ---- tests

template <class... Kinds>
value is_of(const call_frame& in) {
    return ((argument(in, 0).get<Kinds>() != nullptr) || ...);
}
value is_defined(const call_frame& in) { return !argument(in, 0).is_undefined(); }
value is_text(const call_frame& in) { return argument(in, 0).as_text() != nullptr; }
value is_map(const call_frame& in) { return argument(in, 0).as_map() != nullptr; }
value is_iterable(const call_frame& in) { // something undefined too, in Jinja2
    const value& of = argument(in, 0);
    return of.as_text() || of.as_list() || of.as_map() || of.is_undefined();
}
template <bool Which>
value is_exactly(const call_frame& in) {
    const auto* x = argument(in, 0).get<bool>();
    return x && *x == Which;
}
template <bool Same>
value is_equal(const call_frame& in) {
    return equal(argument(in, 0), argument(in, 1), in.costs) == Same;
}

const builtin table[] = {
    {sort_of_builtin::filter, "count", {}, 0, length},
    {sort_of_builtin::filter, "d", {"default_value", "boolean"}, 0, otherwise},
    {sort_of_builtin::filter, "default", {"default_value", "boolean"}, 0, otherwise},
    {sort_of_builtin::filter, "first", {}, 0, first},
    {sort_of_builtin::filter, "items", {}, 0, items},
    {sort_of_builtin::filter, "join", {"d"}, 0, join},
    {sort_of_builtin::filter, "last", {}, 0, last},
    {sort_of_builtin::filter, "length", {}, 0, length},
    {sort_of_builtin::filter,
     "list",
     {},
     0,
     [](const call_frame& in) -> value { return elements(argument(in, 0), in.costs); }},
    {sort_of_builtin::filter, "map", {"attribute"}, 1, members},
    {sort_of_builtin::filter, "reject", {}, 0, nullptr},
    {sort_of_builtin::filter, "rejectattr", {}, 0, nullptr},
    {sort_of_builtin::filter, "replace", {"old", "new", "count"}, 2, replace},
    {sort_of_builtin::filter, "safe", {}, 0, [](const call_frame& in) { return argument(in, 0); }},
    {sort_of_builtin::filter, "select", {}, 0, nullptr},
    {sort_of_builtin::filter, "selectattr", {}, 0, nullptr},
    {sort_of_builtin::filter, "string", {}, 0, [](const call_frame& in) -> value { return printed(argument(in, 0)); }},
    {sort_of_builtin::filter, "tojson", {"indent", "ensure_ascii"}, 0, to_json},
    {sort_of_builtin::filter,
     "trim",
     {"chars"},
     0,
     [](const call_frame& in) { return stripped(printed(argument(in, 0)), argument(in, 1), left | right, in.costs); }},

    {sort_of_builtin::test, "==", {"other"}, 1, is_equal<true>},
    {sort_of_builtin::test, "boolean", {}, 0, is_of<bool>},
    {sort_of_builtin::test, "defined", {}, 0, is_defined},
    {sort_of_builtin::test, "eq", {"other"}, 1, is_equal<true>},
    {sort_of_builtin::test, "equalto", {"other"}, 1, is_equal<true>},
    {sort_of_builtin::test, "false", {}, 0, is_exactly<false>},
    {sort_of_builtin::test, "float", {}, 0, is_of<double>},
    {sort_of_builtin::test,
     "in",
     {"seq"},
     1,
     [](const call_frame& in) -> value { return contains(argument(in, 1), argument(in, 0), in.costs); }},
    {sort_of_builtin::test, "integer", {}, 0, is_of<std::int64_t>},
    {sort_of_builtin::test, "iterable", {}, 0, is_iterable},
    {sort_of_builtin::test, "mapping", {}, 0, is_map},
    {sort_of_builtin::test, "ne", {"other"}, 1, is_equal<false>},
    {sort_of_builtin::test, "none", {}, 0, is_of<std::nullptr_t>},
    {sort_of_builtin::test, "number", {}, 0, is_of<bool, std::int64_t, double>},
    {sort_of_builtin::test, "sequence", {}, 0, is_iterable},
    {sort_of_builtin::test, "string", {}, 0, is_text},
    {sort_of_builtin::test, "true", {}, 0, is_exactly<true>},
    {sort_of_builtin::test, "undefined", {}, 0, is_of<value::undefined>},

    {sort_of_builtin::method, "endswith", {"suffix"}, 1, has_end<false>},
    {sort_of_builtin::method, "get", {"key", "default"}, 1, get},
    {sort_of_builtin::method,
     "items",
     {},
     0,
     [](const call_frame& in) { return items_of(map_of(argument(in, 0), "items"), in.costs); }},
    {sort_of_builtin::method,
     "keys",
     {},
     0,
     [](const call_frame& in) -> value {
         return map_of(argument(in, 0), "keys"), elements(argument(in, 0), in.costs);
     }},
    {sort_of_builtin::method, "lstrip", {"chars"}, 0, strip<left>},
    {sort_of_builtin::method,
     "replace",
     {"old", "new", "count"},
     2,
     [](const call_frame& in) { return text_of(argument(in, 0), "replace"), replace(in); }},
    {sort_of_builtin::method, "rstrip", {"chars"}, 0, strip<right>},
    {sort_of_builtin::method,
     "split",
     {"sep", "maxsplit"},
     0,
     [](const call_frame& in) {
         return split(text_of(argument(in, 0), "split"), argument(in, 1),
                      in.present[2] ? integer_of(argument(in, 2), "split") : -1, in.costs);
     }},
    {sort_of_builtin::method, "startswith", {"prefix"}, 1, has_end<true>},
    {sort_of_builtin::method, "strip", {"chars"}, 0, strip<left | right>},
    {sort_of_builtin::method, "values", {}, 0, values},

    {sort_of_builtin::function, "namespace", {}, 0, nullptr},
    {sort_of_builtin::function, "raise_exception", {"message"}, 1, raise},
    {sort_of_builtin::function, "range", {"start", "stop", "step"}, 1, range},
    {sort_of_builtin::function, "strftime_now", {"format"}, 1, time_text},
};

} // namespace

const builtin* find_builtin(sort_of_builtin sort, std::string_view name) {
    const auto* found =
        std::ranges::find_if(table, [&](const builtin& each) { return each.sort == sort && each.name == name; });
    return found == std::end(table) ? nullptr : found;
}

} // namespace ashlar::support::jinja
