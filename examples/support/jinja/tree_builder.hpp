// SPDX-License-Identifier: Apache-2.0
// Nodes of a template's tree, made within limits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <support/jinja/token_reader.hpp>
#include <support/jinja/tree.hpp>

namespace ashlar::support::jinja {

class tree_builder : protected token_reader {
protected:
    using token_reader::token_reader;

    static constexpr std::uint32_t nodes_max = 1 << 16, depth_max = 200;

    void count() {
        if (++nodes_ > nodes_max) refuse(errc::exhausted, "the template is too long");
    }
    expression_ptr make(expression::kind what, std::string name = {}) {
        count();
        auto out = std::make_unique<expression>();
        out->sort = what;
        out->line = now().line;
        out->name = std::move(name);
        return out;
    }
    void add(expression& to, expression_ptr part) {
        if (part) to.depth = std::max(to.depth, part->depth + 1);
        if (to.depth > depth_max)
            refuse(errc::exhausted, "an expression nests deeper than " + std::to_string(depth_max));
        to.parts.push_back(std::move(part));
    }
    template <class... Parts>
    expression_ptr join(expression::kind what, std::string name, Parts... parts) {
        auto out = make(what, std::move(name));
        (add(*out, std::move(parts)), ...);
        return out;
    }
    expression_ptr constant(value of) {
        auto out = make(expression::kind::constant);
        out->constant = std::move(of);
        return out;
    }

    tree tree_;

private:
    std::uint32_t nodes_ = 0;
};

} // namespace ashlar::support::jinja
