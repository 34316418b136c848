// SPDX-License-Identifier: Apache-2.0
// A template's text as tokens, white space taken away as Jinja2 does with trim_blocks and lstrip_blocks, which is how
// transformers sets it up: no line break behind a block, no indentation before one, and what `-` takes away besides.
//
//     auto tokens = jinja::tokens_of("{% if a %}\nyes{% endif %}");      // the last one is of kind `end`
//
// Source: pallets/jinja, src/jinja2/lexer.py (3.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <support/outcome.hpp>

namespace ashlar::support::jinja {

struct token {
    enum class kind : std::uint8_t {
        data, // of the template, outside of tags
        block_begin,
        block_end,
        print_begin,
        print_end,
        name,
        string,  // with its escapes resolved
        integer, // its digits
        real,
        sign, // an operator or a bracket
        end
    };
    kind what = kind::end;
    std::string text;
    std::uint32_t line = 1;
};

// corrupt: text that Jinja2 refuses. unsupported: an escape that is not understood. The sentence names the line.
outcome<std::vector<token>> tokens_of(std::string_view source);

// Python's str.isspace, by which text is stripped; and where the text without such characters at an end begins, ends.
bool is_space(std::uint32_t code);
std::size_t first_not_space(std::string_view bytes);
std::size_t behind_last_not_space(std::string_view bytes);

} // namespace ashlar::support::jinja
