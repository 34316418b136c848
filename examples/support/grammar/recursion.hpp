// SPDX-License-Identifier: Apache-2.0
// Which rules of a grammar name themselves, at once or through others; and what no automaton can be made of, refused.
//
//     const auto recursive = support::recursive_rules(grammar);      if (!recursive) return recursive.fault();
#pragma once

#include <vector>

#include <support/grammar/gbnf.hpp>
#include <support/outcome.hpp>

namespace ashlar::support {

// unsupported: a rule that recurses on its left, or that no text ever ends. The sentence names the rule.
outcome<std::vector<bool>> recursive_rules(const gbnf& grammar);

} // namespace ashlar::support
