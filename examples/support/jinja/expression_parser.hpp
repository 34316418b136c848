// SPDX-License-Identifier: Apache-2.0
// The expressions of a template, each method one level of how tightly its operators bind. Of the parser in parser.cpp.
#pragma once

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <utility>

#include <support/jinja/builtins.hpp>
#include <support/jinja/tree_builder.hpp>

namespace ashlar::support::jinja {

class expression_parser : protected tree_builder {
protected:
    using tree_builder::tree_builder;
    using sort = sort_of_builtin;

    static constexpr std::uint32_t nesting_max = 64;
    struct call_arguments {
        std::vector<expression_ptr> by_place;
        std::vector<std::pair<std::string, expression_ptr>> by_name;
    };

    // Called wherever an expression can nest in itself, so that reading needs no more stack than evaluating.
    struct nesting {
        explicit nesting(expression_parser& of) : of_(of) {
            if (++of_.open_ > nesting_max) of_.refuse(errc::exhausted, "brackets nest too deep");
        }
        ~nesting() { --of_.open_; }
        expression_parser& of_;
    };

    expression_ptr any() {
        const nesting here(*this);
        auto out = either();
        while (skip_name("if")) {
            auto condition = either();
            auto otherwise = skip_name("else") ? any() : nullptr;
            out = join(expression::kind::choose, {}, std::move(out), std::move(condition), std::move(otherwise));
        }
        return out;
    }
    expression_ptr either() {
        auto out = both();
        while (skip_name("or")) out = join(expression::kind::logical_or, {}, std::move(out), both());
        return out;
    }
    expression_ptr both() {
        auto out = inverted();
        while (skip_name("and")) out = join(expression::kind::logical_and, {}, std::move(out), inverted());
        return out;
    }
    expression_ptr inverted() {
        const nesting here(*this);
        return skip_name("not") ? join(expression::kind::logical_not, {}, inverted()) : compared();
    }
    std::optional<std::string> comparison() {
        if (is_name("not") && behind().what == token::kind::name && behind().text == "in") {
            next(), next();
            return "not in";
        }
        if (skip_name("in")) return "in";
        for (const char* each : {"==", "!=", "<=", ">=", "<", ">"})
            if (skip_sign(each)) return each;
        return {};
    }
    expression_ptr compared() {
        auto first = sum();
        auto sign = comparison();
        if (!sign) return first;
        auto out = join(expression::kind::compare, {}, std::move(first));
        for (; sign; sign = comparison()) {
            out->operators.push_back(*sign);
            add(*out, sum());
        }
        return out;
    }
    template <class Operand>
    expression_ptr chain(std::initializer_list<const char*> signs, Operand operand) {
        auto out = operand();
        for (;;) {
            const auto found =
                std::find_if(signs.begin(), signs.end(), [&](const char* each) { return is_sign(each); });
            if (found == signs.end()) return out;
            next();
            out = join(expression::kind::arithmetic, *found, std::move(out), operand());
        }
    }
    expression_ptr sum() {
        return chain({"+", "-"}, [&] {
            return chain({"~"}, [&] { return chain({"*", "/", "//", "%"}, [&] { return unary(true); }); });
        });
    }
    expression_ptr unary(bool with_filters) {
        const nesting here(*this);
        expression_ptr out;
        if (skip_sign("-"))
            out = join(expression::kind::negate, {}, unary(false));
        else if (is_sign("+"))
            unsupported("a '+' before a number");
        else
            out = primary();
        out = postfix(std::move(out));
        if (with_filters) out = filtered(std::move(out));
        if (is_sign("**")) unsupported("the operator '**'");
        return out;
    }

    expression_ptr primary() {
        const token here = now();
        if (here.what == token::kind::name) {
            next();
            if (here.text == "true" || here.text == "True") return constant(true);
            if (here.text == "false" || here.text == "False") return constant(false);
            if (here.text == "none" || here.text == "None") return constant(nullptr);
            tree_.names.insert(here.text);
            return make(expression::kind::name, here.text);
        }
        if (here.what == token::kind::string) {
            std::string all;
            while (now().what == token::kind::string) all += next().text;
            (tree_.texts += all) += '\0';
            return constant(written(all));
        }
        if (here.what == token::kind::integer) {
            std::int64_t number = 0;
            const auto end = here.text.data() + here.text.size();
            if (std::from_chars(here.text.data(), end, number).ec != std::errc()) unsupported("so large a number");
            next();
            return constant(number);
        }
        if (here.what == token::kind::real) {
            double number = 0;
            std::from_chars(here.text.data(), here.text.data() + here.text.size(), number);
            next();
            return constant(number);
        }
        if (skip_sign("(")) {
            auto first = any();
            if (!is_sign(",")) return want_sign(")"), std::move(first);
            auto out = join(expression::kind::list, {}, std::move(first));
            while (skip_sign(",") && !is_sign(")")) add(*out, any());
            return want_sign(")"), std::move(out);
        }
        if (skip_sign("[")) {
            auto out = make(expression::kind::list);
            while (!is_sign("]")) {
                add(*out, any());
                if (!skip_sign(",")) break;
            }
            return want_sign("]"), std::move(out);
        }
        if (skip_sign("{")) {
            auto out = make(expression::kind::map);
            while (!is_sign("}")) {
                add(*out, any());
                want_sign(":");
                add(*out, any());
                if (!skip_sign(",")) break;
            }
            return want_sign("}"), std::move(out);
        }
        unexpected("an expression");
    }

    expression_ptr postfix(expression_ptr of) {
        for (;;) {
            if (skip_sign("."))
                of = member(std::move(of));
            else if (skip_sign("["))
                of = item(std::move(of));
            else if (is_sign("("))
                of = function(std::move(of));
            else
                return of;
        }
    }
    expression_ptr member(expression_ptr of) {
        if (now().what == token::kind::integer) return join(expression::kind::item, {}, std::move(of), primary());
        const std::string name = want_name("a member's name");
        if (is_sign("(")) {
            const auto* found = find_builtin(sort::method, name);
            if (!found) unsupported("the method " + in_quotes(name));
            return call(expression::kind::method, *found, std::move(of), arguments());
        }
        for (const char* each :
             {"clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"})
            if (name == each) unsupported("the method " + in_quotes(name) + " without a call");
        if (of->sort == expression::kind::name && of->name == "loop") {
            bool known = false;
            for (const char* each :
                 {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"})
                known = known || name == each;
            if (!known) unsupported("'loop." + name.substr(0, 40) + "'");
        }
        return join(expression::kind::member, name, std::move(of));
    }
    expression_ptr item(expression_ptr of) {
        expression_ptr bounds[3];
        std::size_t count = 0;
        bool is_slice = false;
        for (;; ++count) {
            if (!is_sign(":") && !is_sign("]")) bounds[count] = any();
            if (count == 2 || !skip_sign(":")) break;
            is_slice = true;
        }
        if (is_sign(",")) unsupported("an index of several parts");
        want_sign("]");
        if (is_slice)
            return join(expression::kind::slice, {}, std::move(of), std::move(bounds[0]), std::move(bounds[1]),
                        std::move(bounds[2]));
        if (!bounds[0]) unexpected("an index");
        return join(expression::kind::item, {}, std::move(of), std::move(bounds[0]));
    }
    expression_ptr function(expression_ptr of) {
        if (of->sort != expression::kind::name) unsupported("a call of a value");
        const auto* found = find_builtin(sort::function, of->name);
        if (!found) unsupported("the function " + in_quotes(of->name));
        auto given = arguments();
        if (found->name != "namespace") return call(expression::kind::call, *found, nullptr, std::move(given));
        if (!given.by_place.empty()) unsupported("an argument of 'namespace' without a name");
        auto out = make(expression::kind::call);
        out->what = found;
        for (auto& [name, each] : given.by_name) {
            out->operators.push_back(name);
            add(*out, std::move(each));
        }
        return out;
    }

    expression_ptr filtered(expression_ptr of) {
        for (;;) {
            if (skip_sign("|")) {
                const std::string name = dotted();
                const auto* found = find_builtin(sort::filter, name);
                if (!found) unsupported("the filter " + in_quotes(name));
                auto given = is_sign("(") ? arguments() : call_arguments{};
                if (name.starts_with("select") || name.starts_with("reject"))
                    of = select(*found, std::move(of), std::move(given));
                else
                    of = call(expression::kind::filter, *found, std::move(of), std::move(given));
            } else if (skip_name("is")) {
                of = tested(std::move(of));
            } else if (is_sign("(")) {
                unsupported("a call of a value");
            } else {
                return of;
            }
        }
    }
    expression_ptr tested(expression_ptr of) {
        const bool inverted = skip_name("not");
        const std::string name = dotted();
        const auto* found = find_builtin(sort::test, name);
        if (!found) unsupported("the test " + in_quotes(name));
        call_arguments given;
        if (is_sign("("))
            given = arguments();
        else if (found->needed > 0)
            given.by_place.push_back(postfix(primary()));
        auto out = call(expression::kind::test, *found, std::move(of), std::move(given));
        return inverted ? join(expression::kind::logical_not, {}, std::move(out)) : std::move(out);
    }
    // select(test, ...), selectattr(member, test, ...): what they ask of an element is known from here on.
    expression_ptr select(const builtin& what, expression_ptr of, call_arguments given) {
        const bool of_member = what.name.ends_with("attr");
        if (!given.by_name.empty()) unsupported("an argument by name of the filter " + in_quotes(what.name));
        auto out = make(expression::kind::filter);
        out->what = &what;
        add(*out, std::move(of));
        auto at = given.by_place.begin();
        const auto written_out = [&]() -> std::string {
            if ((*at)->sort != expression::kind::constant || !(*at)->constant.as_text())
                unsupported("an argument of the filter " + in_quotes(what.name) + " that is not written out");
            return std::string(std::string_view((*at++)->constant.as_text()->bytes));
        };
        if (of_member && at == given.by_place.end()) unexpected("a member's name");
        if (of_member) out->name = written_out();
        if (at != given.by_place.end()) {
            const std::string name = written_out();
            out->test = find_builtin(sort::test, name);
            if (!out->test) unsupported("the test " + in_quotes(name));
            const auto left = static_cast<std::size_t>(given.by_place.end() - at);
            if (left < out->test->needed || left > out->test->parameters.size())
                refuse(errc::corrupt, "the test " + in_quotes(name) + " has another number of arguments");
        }
        while (at != given.by_place.end()) add(*out, std::move(*at++));
        return out;
    }
    std::string dotted() {
        std::string name = want_name("a name");
        while (skip_sign(".")) (name += '.') += want_name("a name");
        return name;
    }

    call_arguments arguments() {
        call_arguments out;
        want_sign("(");
        while (!is_sign(")")) {
            if (is_sign("*") || is_sign("**")) unsupported("an argument with '*'");
            const bool named =
                now().what == token::kind::name && behind().text == "=" && behind().what == token::kind::sign;
            if (named) {
                std::string name = next().text;
                next();
                out.by_name.emplace_back(std::move(name), any());
            } else {
                if (!out.by_name.empty()) refuse(errc::corrupt, "an argument without a name behind one with a name");
                out.by_place.push_back(any());
            }
            if (!skip_sign(",")) break;
        }
        want_sign(")");
        return out;
    }
    expression_ptr call(expression::kind sort_of, const builtin& what, expression_ptr of, call_arguments given) {
        const std::string named = in_quotes(what.name);
        std::vector<expression_ptr> slots(what.parameters.size());
        if (given.by_place.size() > slots.size()) refuse(errc::unsupported, named + " does not take so many arguments");
        std::move(given.by_place.begin(), given.by_place.end(), slots.begin());
        for (auto& [name, each] : given.by_name) {
            const auto it = std::find(what.parameters.begin(), what.parameters.end(), name);
            if (it == what.parameters.end()) unsupported("the argument " + in_quotes(name) + " of " + named);
            auto& slot = slots[static_cast<std::size_t>(it - what.parameters.begin())];
            if (slot) refuse(errc::corrupt, "the argument " + in_quotes(name) + " of " + named + " is there twice");
            slot = std::move(each);
        }
        for (std::size_t i = 0; i < what.needed; ++i)
            if (!slots[i]) refuse(errc::corrupt, named + " lacks an argument");
        auto out = make(sort_of);
        out->what = &what;
        if (sort_of != expression::kind::call) add(*out, std::move(of));
        for (auto& each : slots) add(*out, std::move(each));
        return out;
    }

    std::uint32_t open_ = 0;
};

} // namespace ashlar::support::jinja
