// SPDX-License-Identifier: Apache-2.0
// A Jinja template, the part of the language that chat templates are written in, rendered as Jinja2 does when
// transformers sets it up. What is not understood is refused when the template is read, by its name and line.
//
//     auto chat = jinja::program::parse(source);                    // if (!chat) complain(chat.fault().sentence);
//     auto text = chat->render({{"messages", messages}, {"add_generation_prompt", true}});
//
// Understood: if, elif, else, for (also over pairs, with a condition, with else), set of a name or of a namespace's
// member, comments, white space control; all expressions but `**`; the filters, tests, methods and functions that
// builtins.cpp lists. Not: macros, blocks, inheritance, includes, raw, loop controls, calls of values.
//
// Immutable, for any number of threads. A hostile template or conversation costs no more than the limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include <support/jinja/value.hpp>
#include <support/outcome.hpp>

namespace ashlar::support::jinja {

struct tree;

struct render_limits {
    std::size_t bytes = 4 << 20;       // of the result, and of any text on the way
    std::size_t memory = 64 << 20;     // of all values that there are at a time, the result too
    std::uint64_t steps = 4'000'000;   // expressions, elements of lists, 64 bytes of text
    std::time_t now = std::time_t(-1); // of strftime_now; -1: the clock's
};

class program {
public:
    static constexpr std::size_t bytes_max = 256 << 10;

    // corrupt: Jinja2 would refuse it. unsupported: what is not understood. exhausted: too long or nested too deep.
    static outcome<program> parse(std::string_view source);

    // invalid_argument: the template refused (raise_exception), in its words. unsupported: an operation that values of
    // these kinds do not have. exhausted: the limits.
    outcome<text> render(const map& context, const render_limits& limits = {}) const;

    bool reads(std::string_view variable) const; // whether it is named anywhere
    bool writes(std::string_view bytes) const;   // whether they stand in its text or in one of its strings

private:
    std::shared_ptr<const tree> tree_;
};

} // namespace ashlar::support::jinja
