// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include <support/jinja/builtins.hpp>
#include <support/jinja/operations.hpp>
#include <support/jinja/program.hpp>
#include <support/jinja/tree.hpp>

namespace ashlar::support::jinja {

namespace {

class renderer {
public:
    renderer(const map& context, const render_limits& limits)
        : context_(context), costs_(limits.bytes, limits.steps),
          now_(limits.now == std::time_t(-1) ? std::time(nullptr) : limits.now), scopes_(1) {}

    outcome<text> all(const tree& of) {
        try {
            run(of.body);
            return std::move(out_);
        } catch (const fault& why) {
            if (why.what.code == errc::invalid_argument) return why; // the template's own words
            return make_fault(why.what.code, "the chat template, line " + std::to_string(line_) + ": " + why.sentence);
        }
    }

private:
    using scope = map;

    // ---- statements

    void run(const std::vector<statement>& body) {
        for (const auto& one : body) {
            line_ = one.line;
            costs_.spend(1);
            switch (one.sort) {
            case statement::kind::data:
                write(one.data);
                break;
            case statement::kind::print:
                write(printed(evaluate(*one.value)));
                break;
            case statement::kind::branch:
                for (const auto& way : one.ways) {
                    if (way.condition && !evaluate(*way.condition).truth()) continue;
                    run(way.body);
                    break;
                }
                break;
            case statement::kind::loop:
                loop(one);
                break;
            case statement::kind::assign:
                assign(one);
                break;
            }
        }
    }
    void write(const text& more) {
        costs_.spend(more.bytes.size() / 64);
        costs_.fits(out_.bytes.size() + more.bytes.size());
        out_ += more;
    }

    void bind(scope& in, const statement& loop, const value& element) {
        if (loop.targets.size() == 1) return set(in, loop.targets[0], element);
        const list parts = elements(element, costs_);
        if (parts.size() != loop.targets.size())
            unsupported("a loop over " + std::to_string(loop.targets.size()) + " names at once, and an element of " +
                        std::to_string(parts.size()) + " parts");
        for (std::size_t i = 0; i < parts.size(); ++i) set(in, loop.targets[i], parts[i]);
    }

    void loop(const statement& one) {
        list all = elements(evaluate(*one.value), costs_);
        if (one.condition) {
            std::erase_if(all, [&](const value& each) {
                scopes_.emplace_back();
                bind(scopes_.back(), one, each);
                const bool wanted = evaluate(*one.condition).truth();
                scopes_.pop_back();
                return !wanted;
            });
        }
        if (all.empty() && one.ways.size() > 1) return run(one.ways[1].body);
        const auto count = static_cast<std::int64_t>(all.size());
        for (std::int64_t i = 0; i < count; ++i) {
            const auto at = static_cast<std::size_t>(i);
            scopes_.emplace_back();
            set(scopes_.back(), "loop",
                map{{"index", i + 1},
                    {"index0", i},
                    {"revindex", count - i},
                    {"revindex0", count - i - 1},
                    {"first", i == 0},
                    {"last", i + 1 == count},
                    {"length", count},
                    {"previtem", i > 0 ? all[at - 1] : value()},
                    {"nextitem", i + 1 < count ? all[at + 1] : value()}});
            bind(scopes_.back(), one, all[at]);
            run(one.ways[0].body);
            scopes_.pop_back();
        }
    }

    void assign(const statement& one) {
        value to = evaluate(*one.value);
        if (one.targets.size() == 1) return set(scopes_.back(), one.targets[0], std::move(to));
        const value* found = variable(one.targets[0]);
        map* members = found ? found->as_namespace() : nullptr;
        if (!members) unsupported("a member can be set of a namespace only, not of " + in_quotes(one.targets[0]));
        (void)to.depth(); // a namespace cannot be in one
        set(*members, one.targets[1], std::move(to));
    }
    void set(scope& in, std::string_view name, value to) {
        costs_.spend(in.size() / 8);
        for (auto& each : in)
            if (each.first == name) return void(each.second = std::move(to));
        in.emplace_back(name, std::move(to));
    }
    const value* variable(std::string_view name) {
        for (auto it = scopes_.rbegin(); it != scopes_.rend(); ++it) {
            costs_.spend(1 + it->size() / 8);
            if (const value* found = find(*it, name)) return found;
        }
        return find(context_, name);
    }

    // ---- expressions

    value evaluate(const expression& of) {
        line_ = of.line;
        costs_.spend(1);
        switch (of.sort) {
        case expression::kind::constant:
            return of.constant;
        case expression::kind::name:
            if (const value* found = variable(of.name)) return *found;
            return find_builtin(sort_of_builtin::function, of.name) ? value(function{}) : value();
        case expression::kind::list: {
            list out;
            for (const auto& each : of.parts) out.push_back(evaluate(*each));
            return out;
        }
        case expression::kind::map: {
            map out;
            for (std::size_t i = 0; i < of.parts.size(); i += 2) {
                const value key = evaluate(*of.parts[i]);
                if (!key.as_text()) unsupported("a map's key that is " + std::string(key.kind()));
                set(out, key.as_text()->bytes, evaluate(*of.parts[i + 1]));
            }
            return out;
        }
        case expression::kind::member: {
            const value from = evaluate(*of.parts[0]);
            const value* found = attribute(from, of.name);
            return found ? *found : value();
        }
        case expression::kind::item: {
            const value from = evaluate(*of.parts[0]), at = evaluate(*of.parts[1]);
            return jinja::item(from, at, costs_);
        }
        case expression::kind::slice: {
            const value from = evaluate(*of.parts[0]);
            value bounds[3] = {nullptr, nullptr, nullptr};
            for (std::size_t i = 0; i < 3; ++i)
                if (of.parts[i + 1]) bounds[i] = evaluate(*of.parts[i + 1]);
            return jinja::slice(from, bounds, costs_);
        }
        case expression::kind::negate:
            return arithmetic('-', std::int64_t{0}, evaluate(*of.parts[0]), costs_);
        case expression::kind::logical_not:
            return !evaluate(*of.parts[0]).truth();
        case expression::kind::logical_and:
        case expression::kind::logical_or: {
            value first = evaluate(*of.parts[0]);
            return first.truth() == (of.sort == expression::kind::logical_or) ? first : evaluate(*of.parts[1]);
        }
        case expression::kind::arithmetic: {
            const value a = evaluate(*of.parts[0]), b = evaluate(*of.parts[1]);
            return arithmetic(of.name == "//" ? 'f' : of.name[0], a, b, costs_);
        }
        case expression::kind::compare:
            return compare(of);
        case expression::kind::choose:
            if (evaluate(*of.parts[1]).truth()) return evaluate(*of.parts[0]);
            return of.parts[2] ? evaluate(*of.parts[2]) : value();
        case expression::kind::filter:
        case expression::kind::test:
        case expression::kind::method:
        case expression::kind::call:
            return call(of);
        }
        return {};
    }

    value compare(const expression& of) {
        value left = evaluate(*of.parts[0]);
        for (std::size_t i = 0; i < of.operators.size(); ++i) {
            value right = evaluate(*of.parts[i + 1]);
            if (!holds(left, of.operators[i], right, costs_)) return false;
            left = std::move(right);
        }
        return true;
    }
    value call(const expression& of) {
        if (of.what->name == "namespace") {
            map members;
            for (std::size_t i = 0; i < of.parts.size(); ++i) set(members, of.operators[i], evaluate(*of.parts[i]));
            return value::a_namespace(std::move(members));
        }
        list arguments;
        std::array<bool, 8> present{};
        for (std::size_t i = 0; i < of.parts.size(); ++i) {
            present[std::min(i, present.size() - 1)] = of.parts[i] != nullptr;
            arguments.push_back(of.parts[i] ? evaluate(*of.parts[i]) : value());
        }
        if (of.sort == expression::kind::method && arguments[0].is_undefined())
            unsupported("the method " + in_quotes(of.what->name) + " of something undefined");
        line_ = of.line;
        if (!of.what->run) return select(of, arguments);
        return of.what->run({arguments, present, costs_, now_});
    }
    value select(const expression& of, list& arguments) {
        list all = elements(arguments[0], costs_);
        constexpr std::array<bool, 8> present{true, true, true, true, true, true, true, true};
        const bool wanted = of.what->name.starts_with("select");
        std::erase_if(all, [&](const value& each) {
            costs_.spend(1);
            arguments[0] = each;
            if (!of.name.empty()) {
                const value* found = attribute(each, of.name);
                arguments[0] = found ? *found : value();
            }
            const value answer = of.test ? of.test->run({arguments, present, costs_, now_}) : arguments[0];
            return answer.truth() != wanted;
        });
        return all;
    }

    const map& context_;
    budget costs_;
    const std::time_t now_;
    std::vector<scope, counted<scope>> scopes_;
    text out_;
    std::uint32_t line_ = 1;
};

} // namespace

outcome<text> program::render(const map& context, const render_limits& limits) const {
    const memory_scope scope(limits.memory);
    return renderer(context, limits).all(*tree_);
}

} // namespace ashlar::support::jinja
