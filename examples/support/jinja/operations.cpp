// SPDX-License-Identifier: Apache-2.0
#include <support/jinja/operations.hpp>

#include <algorithm>
#include <utility>
#include <variant>

#include <support/unicode.hpp>

namespace ashlar::support::jinja {

namespace {

using number = std::variant<std::monostate, std::int64_t, double>;

number number_of(const value& of) {
    if (const auto* x = of.get<bool>()) return std::int64_t{*x};
    if (const auto* x = of.get<std::int64_t>()) return *x;
    if (const auto* x = of.get<double>()) return *x;
    return {};
}
double real_of(const number& of) {
    if (const auto* x = std::get_if<std::int64_t>(&of)) return static_cast<double>(*x);
    return std::get<double>(of);
}

value whole(char sign, std::int64_t x, std::int64_t y) {
    std::int64_t out = 0;
    bool over = false;
    if (sign == '+')
        over = __builtin_add_overflow(x, y, &out);
    else if (sign == '-')
        over = __builtin_sub_overflow(x, y, &out);
    else if (sign == '*')
        over = __builtin_mul_overflow(x, y, &out);
    else if (y == 0)
        unsupported("a division by zero");
    else if (y == -1) // the one quotient that may not fit
        over = sign == 'f' && __builtin_sub_overflow(std::int64_t{0}, x, &out);
    else if (const bool below = x % y != 0 && (x < 0) != (y < 0); sign == 'f')
        out = x / y - below;
    else
        out = x % y + (below ? y : 0);
    if (over) unsupported("so large a number");
    return out;
}

const text& text_in(const value& of) {
    if (!of.as_text()) unsupported("looking for " + std::string(of.kind()) + " in a text");
    return *of.as_text();
}

} // namespace

void unsupported(std::string why) { throw make_fault(errc::unsupported, std::move(why)); }

void budget::spend(std::uint64_t steps) {
    if (steps > steps_) throw make_fault(errc::exhausted, "the conversation takes too much work to write out");
    steps_ -= steps;
}
void budget::fits(std::size_t bytes) const {
    if (bytes > bytes_)
        throw make_fault(errc::exhausted, "the conversation is longer than " + std::to_string(bytes_) + " bytes");
}
void budget::check(std::size_t bytes) {
    fits(bytes);
    spend(bytes / 64);
}

list elements(const value& of, budget& costs) {
    list out;
    if (const auto* x = of.as_text()) {
        costs.spend(x->bytes.size());
        for (std::size_t at = 0; at < x->bytes.size();) {
            const std::size_t size = std::max(read_utf8(x->bytes, at).length, 1u);
            out.emplace_back(x->part(at, size));
            at += size;
        }
    } else if (const auto* all = of.as_list()) {
        costs.spend(all->size());
        out = *all;
    } else if (const auto* named = of.as_map()) {
        costs.spend(named->size());
        for (const auto& each : *named) out.emplace_back(given(each.first));
    } else if (!of.is_undefined()) {
        unsupported("the elements of " + std::string(of.kind()));
    }
    return out;
}

bool equal(const value& a, const value& b, budget& costs) {
    if (const auto *x = a.as_map(), *y = b.as_map(); x && y) {
        costs.spend(x->size() * x->size());
        return x->size() == y->size() && std::ranges::all_of(*x, [&](const member& each) {
                   const value* other = find(*y, each.first);
                   return other && equal(each.second, *other, costs);
               });
    }
    if (const auto* x = a.as_list(); x && b.as_list() && x->size() == b.as_list()->size()) {
        for (std::size_t i = 0; i < x->size(); ++i) {
            costs.spend(1);
            if (!equal((*x)[i], (*b.as_list())[i], costs)) return false;
        }
        return true;
    }
    return a == b;
}

bool contains(const value& in, const value& what, budget& costs) {
    if (const auto* x = in.as_text()) {
        costs.check(x->bytes.size());
        return x->bytes.find(text_in(what).bytes) != std::string::npos;
    }
    if (const auto* x = in.as_list())
        return std::ranges::any_of(*x, [&](const value& each) { return costs.spend(1), equal(each, what, costs); });
    if (const auto* x = in.as_map()) {
        costs.spend(x->size());
        return what.as_text() && find(*x, what.as_text()->bytes);
    }
    if (in.is_undefined()) return false;
    unsupported("looking into " + std::string(in.kind()));
}

const value* attribute(const value& of, std::string_view name) {
    if (const auto* x = of.as_map()) return find(*x, name);
    if (const auto* x = of.as_namespace()) return find(*x, name);
    if (of.is_undefined()) unsupported("the member " + in_quotes(name) + " of something undefined");
    return nullptr;
}

value item(const value& of, const value& at, budget& costs) {
    if (of.is_undefined()) unsupported("an item of something undefined");
    if (const auto* name = at.as_text()) {
        const value* found = attribute(of, name->bytes);
        return found ? *found : value();
    }
    const auto* index = at.get<std::int64_t>();
    if (!index || of.as_map() || !(of.as_list() || of.as_text())) return {};
    const list* all = of.as_list();
    list characters;
    if (!all) all = &(characters = elements(of, costs));
    const auto size = static_cast<std::int64_t>(all->size());
    const std::int64_t place = *index < 0 ? *index + size : *index;
    return place < 0 || place >= size ? value() : (*all)[static_cast<std::size_t>(place)];
}

// Python's: bounds count from the end when negative and are cut to the size.
value slice(const value& from, std::span<const value> bounds, budget& costs) {
    for (const auto& each : bounds)
        if (!each.is_none() && !each.get<std::int64_t>()) unsupported("a slice up to " + std::string(each.kind()));
    if (!from.as_list() && !from.as_text()) unsupported("a slice of " + std::string(from.kind()));
    const list all = elements(from, costs);
    const auto size = static_cast<std::int64_t>(all.size());
    const std::int64_t step = bounds[2].is_none() ? 1 : *bounds[2].get<std::int64_t>();
    if (step == 0) unsupported("a slice by steps of 0");
    const auto place = [&](const value& given, std::int64_t otherwise) {
        if (given.is_none()) return otherwise;
        std::int64_t x = *given.get<std::int64_t>();
        if (x < 0) x = x < -size ? -1 : x + size;
        return std::clamp<std::int64_t>(x, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
    };
    const std::int64_t begin = place(bounds[0], step > 0 ? 0 : size - 1), end = place(bounds[1], step > 0 ? size : -1);
    list picked;
    for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
        picked.push_back(all[static_cast<std::size_t>(i)]);
        if (step > size || step < -size) break;
        i += step;
    }
    if (from.as_list()) return picked;
    text out;
    for (const auto& each : picked) out += *each.as_text();
    return out;
}

value arithmetic(char sign, const value& a, const value& b, budget& costs) {
    if (sign == '~' || (sign == '+' && a.as_text() && b.as_text())) {
        text out = printed(a);
        out += printed(b);
        costs.check(out.bytes.size());
        return out;
    }
    if (sign == '+' && a.as_list() && b.as_list()) {
        list out = elements(a, costs), more = elements(b, costs);
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    const number left = number_of(a), right = number_of(b);
    if (left.index() == 0 || right.index() == 0)
        unsupported(std::string("'") + (sign == 'f' ? "//" : std::string(1, sign)) + "' of " + std::string(a.kind()) +
                    " and " + std::string(b.kind()));
    if (std::holds_alternative<std::int64_t>(left) && std::holds_alternative<std::int64_t>(right) && sign != '/')
        return whole(sign, std::get<std::int64_t>(left), std::get<std::int64_t>(right));
    const double x = real_of(left), y = real_of(right);
    if (y == 0 && (sign == '/' || sign == 'f' || sign == '%')) unsupported("a division by zero");
    switch (sign) {
    case '+':
        return x + y;
    case '-':
        return x - y;
    case '*':
        return x * y;
    case '/':
        return x / y;
    default:
        unsupported(std::string("'") + (sign == 'f' ? "//" : "%") + "' of numbers with a point");
    }
}
bool holds(const value& a, std::string_view sign, const value& b, budget& costs) {
    if (sign == "==") return equal(a, b, costs);
    if (sign == "!=") return !equal(a, b, costs);
    if (sign == "in") return contains(b, a, costs);
    if (sign == "not in") return !contains(b, a, costs);
    const auto ordered = [&](const auto& x, const auto& y) {
        return sign == "<" ? x < y : sign == "<=" ? x <= y : sign == ">" ? x > y : x >= y;
    };
    if (a.as_text() && b.as_text()) return ordered(a.as_text()->bytes, b.as_text()->bytes);
    const number left = number_of(a), right = number_of(b);
    if (left.index() == 0 || right.index() == 0)
        unsupported(std::string("'").append(sign).append("' of ").append(a.kind()).append(" and ").append(b.kind()));
    if (left.index() == right.index()) return ordered(left, right);
    return ordered(real_of(left), real_of(right));
}

} // namespace ashlar::support::jinja
