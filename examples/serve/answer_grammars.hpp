// SPDX-License-Identifier: Apache-2.0
// The grammars of the forms that requests ask for, made aside of the loop and kept, refusals too: agents send the same
// tools with every request.
//
//     answer_grammars grammars([] { /* on another thread: look again */ });
//     auto asked = grammars.ask(want.form);                // empty: too many wait
//     if (const auto* made = asked.ready()) ...            // GBNF, or why there is none
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>

#include <support/loading_cache.hpp>

#include "link.hpp"
#include "openai.hpp"

namespace serve {

class answer_grammars {
public:
    using verdict = std::variant<std::string, api_error>;
    using asked = ashlar::support::loading_cache<verdict>::asked;

    explicit answer_grammars(std::function<void()> made)
        : kept_({.bytes_max = 16 << 20, .waiting_max = 16}, random_key(), std::move(made)) {}

    asked ask(const answer_form& form) {
        const std::string text = form.spelled();
        if (auto there = kept_.find(text)) return there;
        return kept_.load(text, [form]() -> decltype(kept_)::loaded {
            auto made = grammar_of(form);
            const auto* text = std::get_if<std::string>(&made);
            const std::size_t bytes = 512 + (text ? text->size() : std::get<api_error>(made).message.size());
            return {std::move(made), bytes};
        });
    }
    std::uint64_t made() const { return kept_.loads(); } // so far

private:
    ashlar::support::loading_cache<verdict> kept_;
};

} // namespace serve
