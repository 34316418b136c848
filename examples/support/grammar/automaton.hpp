// SPDX-License-Identifier: Apache-2.0
// A grammar as a machine over bytes: deterministic automata, one a recursive rule, that call each other. What does not
// recurse stands inside its caller, so that most grammars are one automaton and a matcher needs no stack.
//
//     auto made = support::automaton::from(*support::parse_gbnf(text));   if (!made) return made.fault();
//
// From a state, bytes lead along `edges`; `calls` are taken without one: go on at `to`, and at `back` when that is
// through. No rule can call itself before it has read a byte, and every state can come to an end. Immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <support/grammar/gbnf.hpp>
#include <support/outcome.hpp>

namespace ashlar::support {

struct automaton_limits {
    std::uint32_t states = 1 << 16;
    std::uint64_t work = 6'000'000; // steps of the construction: about 0.2 s
};

class automaton {
public:
    struct edge {
        std::uint8_t low, high; // bytes, both included
        std::uint32_t to;
    };
    struct call {
        std::uint32_t to, back;
        bool tail; // nothing is left to do at `back`
    };
    static constexpr std::uint32_t nowhere = 0xffffffff;

    // unsupported: a rule that recurses on its left, or that no text ever ends. exhausted: more states or work than the
    // limits. The sentence names the rule.
    static outcome<automaton> from(const gbnf& grammar, const automaton_limits& limits = {});

    std::uint32_t start() const { return start_; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(states_.size()) - 1; }
    std::size_t bytes() const {
        return states_.size() * sizeof(state) + edges_.size() * sizeof(edge) + calls_.size() * sizeof(call);
    }
    std::span<const edge> edges(std::uint32_t s) const {
        return std::span(edges_).subspan(states_[s].edges, states_[s + 1].edges - states_[s].edges);
    }
    std::span<const call> calls(std::uint32_t s) const {
        return std::span(calls_).subspan(states_[s].calls, states_[s + 1].calls - states_[s].calls);
    }
    bool accepts(std::uint32_t s) const { return states_[s].accepts; } // its rule may end here
    std::uint32_t next(std::uint32_t s, std::uint8_t byte) const {
        for (const edge& each : edges(s)) { // sorted
            if (byte <= each.high) return byte >= each.low ? each.to : nowhere;
        }
        return nowhere;
    }

private:
    friend class automaton_builder;
    struct state {
        std::uint32_t edges, calls; // where its own begin
        bool accepts;
    };
    std::vector<state> states_; // and one more, where the last one's end
    std::vector<edge> edges_;
    std::vector<call> calls_;
    std::uint32_t start_ = 0;
};

} // namespace ashlar::support
