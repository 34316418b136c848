// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <initializer_list>
#include <utility>

#include <support/jinja/expression_parser.hpp>
#include <support/jinja/lexer.hpp>
#include <support/jinja/program.hpp>

namespace ashlar::support::jinja {

namespace {

class parser : expression_parser {
public:
    explicit parser(std::vector<token> tokens) : expression_parser(std::move(tokens)) {}

    tree read() {
        tree_.body = body({});
        return std::move(tree_);
    }

private:
    // Up to a tag of one of these names, which is next then; up to the end when there are none.
    std::vector<statement> body(std::initializer_list<std::string_view> ends) {
        if (++blocks_ > nesting_max) refuse(errc::exhausted, "blocks nest deeper than " + std::to_string(nesting_max));
        std::vector<statement> out;
        for (;;) {
            count();
            statement one{.line = now().line};
            if (now().what == token::kind::data) {
                one.data = written(now().text);
                (tree_.texts += next().text) += '\0';
            } else if (now().what == token::kind::print_begin) {
                next();
                one.sort = statement::kind::print;
                one.value = any();
                want(token::kind::print_end, "'}}'");
            } else if (now().what == token::kind::block_begin) {
                next();
                if (std::find(ends.begin(), ends.end(), now().text) != ends.end()) break;
                tag(one);
            } else {
                if (ends.size() != 0) unexpected("'" + std::string(*(ends.end() - 1)) + "'");
                break;
            }
            out.push_back(std::move(one));
        }
        --blocks_;
        return out;
    }

    void tag(statement& one) {
        const std::string name = want_name("a tag's name");
        if (name == "if")
            branch(one);
        else if (name == "for")
            loop(one);
        else if (name == "set")
            assign(one);
        else
            unsupported("the tag " + in_quotes(name), one.line);
    }

    void end_block() { want(token::kind::block_end, "'%}'"); }

    void branch(statement& one) {
        one.sort = statement::kind::branch;
        for (;;) {
            auto condition = any();
            end_block();
            one.ways.push_back({std::move(condition), body({"elif", "else", "endif"})});
            if (skip_name("elif")) continue;
            if (skip_name("else")) {
                end_block();
                one.ways.push_back({nullptr, body({"endif"})});
            }
            next();
            return end_block();
        }
    }

    void loop(statement& one) {
        one.sort = statement::kind::loop;
        const bool brackets = skip_sign("(");
        do one.targets.push_back(want_name("a name"));
        while (skip_sign(","));
        if (brackets) want_sign(")");
        if (!skip_name("in")) unexpected("'in'");
        one.value = either();
        if (skip_name("if")) one.condition = any();
        if (is_name("recursive")) unsupported("a recursive loop", one.line);
        end_block();
        one.ways.push_back({nullptr, body({"else", "endfor"})});
        if (skip_name("else")) {
            end_block();
            one.ways.push_back({nullptr, body({"endfor"})});
        }
        next();
        end_block();
    }

    void assign(statement& one) {
        one.sort = statement::kind::assign;
        one.targets.push_back(want_name("a name"));
        if (skip_sign(".")) one.targets.push_back(want_name("a member's name"));
        if (is_sign(",")) unsupported("{% set %} of several names", one.line);
        if (now().what == token::kind::block_end || is_sign("|")) unsupported("{% set %} without '='", one.line);
        want_sign("=");
        one.value = any();
        if (is_sign(",")) unsupported("a list without brackets", one.line);
        end_block();
    }

    std::uint32_t blocks_ = 0;
};

} // namespace

outcome<program> program::parse(std::string_view source) {
    if (source.size() > bytes_max)
        return make_fault(errc::exhausted, "a chat template may have at most " + std::to_string(bytes_max) + " bytes");
    auto tokens = tokens_of(source);
    if (!tokens) return tokens.fault();
    try {
        program out;
        out.tree_ = std::make_shared<const tree>(parser(std::move(*tokens)).read());
        return out;
    } catch (const fault& why) {
        return why;
    }
}

bool program::reads(std::string_view variable) const { return tree_->names.contains(std::string(variable)); }
bool program::writes(std::string_view bytes) const { return tree_->texts.find(bytes) != std::string::npos; }

} // namespace ashlar::support::jinja
