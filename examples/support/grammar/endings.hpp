// SPDX-License-Identifier: Apache-2.0
// How many tokens of a vocabulary bring a text to an end of its grammar, by the automaton's states: at most so many,
// and that many in fact, since each number stands for one ending written out.
//
//     support::endings ends(machine, words);
//     ends.tokens(s);                                     // to the end of s's rule; `never`: not with this vocabulary
//     ends.depth(s);                                      // calls that this ending nests
//
// From every state one ending is chosen, the one of the fewest bytes; `tokens` is the least number of tokens that spell
// it, cut where it calls a rule or comes back from one. Therefore the first of these tokens always leads to a place
// whose number is lower by one at least. Takes time near to linear in the machine's size. Immutable.
#pragma once

#include <cstdint>
#include <vector>

#include <support/grammar/automaton.hpp>
#include <support/grammar/token_tree.hpp>

namespace ashlar::support {

class endings {
public:
    static constexpr std::uint32_t never = 0xffffffff;

    endings(const automaton& machine, const token_tree& words);

    std::uint32_t tokens(std::uint32_t s) const { return states_[s].tokens; }
    std::uint32_t depth(std::uint32_t s) const { return states_[s].depth; }
    std::uint64_t steps() const { return steps_; } // that finding them took
    static std::uint32_t sum(std::uint32_t a, std::uint32_t b) { return a < never - b ? a + b : never; }

private:
    struct state {
        std::uint32_t tokens = never, depth = 0;
        std::uint32_t next = automaton::nowhere; // by `byte`; nowhere: it ends here, or calls first
        std::uint8_t byte = 0;
    };
    std::vector<state> states_;
    std::uint64_t steps_ = 0;
};

} // namespace ashlar::support
