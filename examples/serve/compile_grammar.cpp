// SPDX-License-Identifier: Apache-2.0
#include "compile_grammar.hpp"

#include <support/grammar/gbnf.hpp>

namespace serve {

namespace sup = ashlar::support;

sup::outcome<sup::automaton> compile_grammar(const std::string& text) {
    const auto read = sup::parse_gbnf(text);
    if (!read) return read.fault();
    return sup::automaton::from(*read, {.states = 1 << 16, .work = 3'000'000});
}

} // namespace serve
