// SPDX-License-Identifier: Apache-2.0
// What router and engines compile, within the same limits: the router refuses what an engine would.
#pragma once

#include <string>

#include <support/grammar/automaton.hpp>
#include <support/outcome.hpp>

namespace serve {

// GBNF. Takes a third of a second at most, on one core.
ashlar::support::outcome<ashlar::support::automaton> compile_grammar(const std::string& text);

} // namespace serve
