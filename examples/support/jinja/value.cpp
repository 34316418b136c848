// SPDX-License-Identifier: Apache-2.0
#include <support/jinja/value.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

namespace ashlar::support::jinja {

namespace {

using json = nlohmann::json;

// Builds values as the parser goes, in order, in time that grows with the text.
class builder final : public nlohmann::json_sax<json> {
public:
    value result;
    bool deep = false;

private:
    struct level {
        bool is_map;
        list items;
        map members;
        counted_text name; // of the member that comes next
    };
    bool put(value x) {
        if (open_.empty())
            result = std::move(x);
        else if (open_.back().is_map)
            open_.back().members.emplace_back(std::move(open_.back().name), std::move(x));
        else
            open_.back().items.push_back(std::move(x));
        return true;
    }
    bool begin(bool is_map) {
        deep = open_.size() >= value::depth_max;
        if (!deep) open_.push_back({is_map, {}, {}, {}});
        return !deep;
    }
    bool end() {
        level done = std::move(open_.back());
        open_.pop_back();
        return put(done.is_map ? value(std::move(done.members)) : value(std::move(done.items)));
    }
    bool null() override { return put(nullptr); }
    bool boolean(bool x) override { return put(x); }
    bool number_integer(number_integer_t x) override { return put(std::int64_t{x}); }
    bool number_unsigned(number_unsigned_t x) override {
        if (x <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return put(static_cast<std::int64_t>(x));
        return put(static_cast<double>(x));
    }
    bool number_float(number_float_t x, const string_t&) override { return put(double{x}); }
    bool string(string_t& x) override { return put(given(x)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return begin(true); }
    bool start_array(std::size_t) override { return begin(false); }
    bool end_object() override { return end(); }
    bool end_array() override { return end(); }
    bool key(string_t& x) override { return open_.back().name = std::string_view(x), true; }
    bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

    std::vector<level, counted<level>> open_;
};

std::uint32_t one_deeper(std::uint32_t inner) {
    if (inner >= value::depth_max)
        throw make_fault(errc::exhausted,
                         "a value nests deeper than " + std::to_string(value::depth_max) + " lists and maps");
    return inner + 1;
}

void append_json_text(counted_text& out, std::string_view bytes) {
    out += '"';
    for (const char c : bytes) {
        const auto code = static_cast<unsigned char>(c);
        constexpr std::string_view plain = "\"\\\n\r\t\b\f", letters = "\"\\nrtbf";
        if (const auto at = plain.find(c); at != std::string_view::npos)
            (out += '\\') += letters[at];
        else if (code < 0x20)
            ((out += "\\u00") += "01"[code >> 4]) += "0123456789abcdef"[code & 15];
        else
            out += c;
    }
    out += '"';
}

template <class Sequence, class Write>
void append_nested(counted_text& out, const Sequence& of, std::int64_t indent, std::size_t level,
                   std::string_view signs, Write write) {
    out += signs[0];
    const auto new_line = [&](std::size_t depth) {
        if (indent >= 0) (out += '\n').append(depth * static_cast<std::size_t>(indent), ' ');
    };
    for (std::size_t i = 0; i < of.size(); ++i) {
        if (i > 0) out += indent >= 0 ? "," : ", ";
        new_line(level + 1);
        write(of[i]);
    }
    if (!of.empty()) new_line(level);
    out += signs[1];
}

} // namespace

value::value(list x) {
    std::uint32_t inner = 0;
    for (const auto& each : x) inner = std::max(inner, each.depth());
    held_ = std::allocate_shared<const nest<list>>(counted<list>(), std::move(x), one_deeper(inner));
}
value::value(map x) {
    std::uint32_t inner = 0;
    for (const auto& each : x) inner = std::max(inner, each.second.depth());
    held_ = std::allocate_shared<const nest<map>>(counted<map>(), std::move(x), one_deeper(inner));
}
value value::a_namespace(map members) {
    for (const auto& each : members) (void)each.second.depth();
    value out;
    out.held_ = std::allocate_shared<space>(counted<map>(), std::move(members));
    return out;
}

outcome<value> value::from_json(std::string_view text) {
    builder made;
    if (json::sax_parse(text, static_cast<nlohmann::json_sax<json>*>(&made))) return std::move(made.result);
    if (made.deep) return make_fault(errc::exhausted, "the JSON nests deeper than " + std::to_string(depth_max));
    return make_fault(errc::corrupt, "this is no JSON");
}

std::uint32_t value::depth() const {
    if (const auto* held = pointed<const nest<list>>()) return held->depth;
    if (const auto* held = pointed<const nest<map>>()) return held->depth;
    if (as_namespace()) throw make_fault(errc::unsupported, "a namespace cannot be put into another value");
    return 0;
}

bool value::truth() const {
    if (is_undefined() || is_none()) return false;
    if (const auto* x = get<bool>()) return *x;
    if (const auto* x = get<std::int64_t>()) return *x != 0;
    if (const auto* x = get<double>()) return *x != 0;
    if (const auto* x = as_text()) return !x->bytes.empty();
    if (const auto* x = as_list()) return !x->empty();
    if (const auto* x = as_map()) return !x->empty();
    return true;
}

std::string_view value::kind() const {
    constexpr std::string_view names[] = {"something undefined", "none",   "a boolean", "a number", "a number",
                                          "a function",          "a text", "a list",    "a map",    "a namespace"};
    return names[held_.index()];
}

bool operator==(const value& a, const value& b) {
    const auto number = [](const value& x) -> std::variant<std::monostate, std::int64_t, double> {
        if (const auto* y = x.get<bool>()) return std::int64_t{*y};
        if (const auto* y = x.get<std::int64_t>()) return *y;
        if (const auto* y = x.get<double>()) return *y;
        return {};
    };
    const auto left = number(a), right = number(b);
    if (left.index() != 0 || right.index() != 0) {
        if (left.index() == 0 || right.index() == 0) return false;
        if (left.index() == right.index()) return left == right;
        const auto real = [](const auto& x) {
            return std::holds_alternative<double>(x) ? std::get<double>(x)
                                                     : static_cast<double>(std::get<std::int64_t>(x));
        };
        return real(left) == real(right);
    }
    if (a.held_.index() != b.held_.index()) return false;
    if (const auto* x = a.as_text()) return x->bytes == b.as_text()->bytes;
    if (const auto* x = a.as_list()) return *x == *b.as_list();
    if (const auto* x = a.as_map())
        return x->size() == b.as_map()->size() && std::all_of(x->begin(), x->end(), [&](const member& each) {
                   const value* other = find(*b.as_map(), each.first);
                   return other && *other == each.second;
               });
    return a.as_namespace() == b.as_namespace(); // none and undefined have none
}

const value* find(const map& in, std::string_view name) {
    for (const auto& each : in)
        if (each.first == name) return &each.second;
    return nullptr;
}

std::string real_text(double x) {
    if (std::isnan(x)) return "nan";
    if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, x, std::chars_format::scientific).ptr;
    const std::string_view all(digits, static_cast<std::size_t>(end - digits));
    const std::size_t e = all.find('e');
    int exponent = 0;
    std::from_chars(all.data() + e + 1 + (all[e + 1] == '+'), end, exponent);
    if (exponent < -4 || exponent >= 16) return std::string(all);
    char fixed[40];
    std::string out(fixed, std::to_chars(fixed, fixed + sizeof fixed, x, std::chars_format::fixed).ptr);
    return out.find('.') == std::string::npos ? out + ".0" : out;
}

text printed(const value& of) {
    if (const auto* x = of.as_text()) return *x;
    if (of.is_undefined()) return {};
    if (of.is_none()) return given("None");
    if (const auto* x = of.get<bool>()) return given(*x ? "True" : "False");
    if (const auto* x = of.get<std::int64_t>()) return given(std::to_string(*x));
    if (const auto* x = of.get<double>()) return given(real_text(*x));
    throw make_fault(errc::unsupported, std::string(of.kind()) + " cannot be written as text without 'tojson'");
}

void append_json(counted_text& out, const value& of, std::int64_t indent, const written_so_far& each_one,
                 std::size_t level) {
    if (each_one) each_one(out.size());
    if (const auto* x = of.as_text()) return append_json_text(out, x->bytes);
    if (of.is_none()) return void(out += "null");
    if (const auto* x = of.get<bool>()) return void(out += *x ? "true" : "false");
    if (const auto* x = of.get<std::int64_t>()) return void(out += std::to_string(*x));
    if (const auto* x = of.get<double>()) {
        if (std::isfinite(*x)) return void(out += real_text(*x));
        return void(out += std::isnan(*x) ? "NaN" : *x < 0 ? "-Infinity" : "Infinity");
    }
    if (const auto* x = of.as_list())
        return append_nested(out, *x, indent, level, "[]",
                             [&](const value& each) { append_json(out, each, indent, each_one, level + 1); });
    if (const auto* x = of.as_map())
        return append_nested(out, *x, indent, level, "{}", [&](const member& each) {
            append_json_text(out, each.first);
            out += ": ";
            append_json(out, each.second, indent, each_one, level + 1);
        });
    throw make_fault(errc::unsupported, std::string(of.kind()) + " has no JSON");
}

void append_json(std::string& out, const value& of, std::int64_t indent) {
    counted_text written;
    append_json(written, of, indent);
    out += written;
}

} // namespace ashlar::support::jinja
