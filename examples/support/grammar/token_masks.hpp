// SPDX-License-Identifier: Apache-2.0
// Which tokens of a vocabulary can come next in a grammar, as a bit each. What a token does inside one automaton does
// not depend on the rules around it: it is found once a state, for the whole vocabulary, and kept. Only tokens that
// leave their automaton on the way ("\"}," behind a string in a list) are tried with the stack at hand.
//
//     support::token_tree words(tokens);                  // bytes of each token; empty: never allowed
//     support::token_masks masks(machine, words);
//     masks.prepare(2'000'000);                           // ahead: the states nearest to the start
//     if (masks.allowed(where, bits)) ...                 // where: a matcher; bits: (tokens + 63) / 64 words
//
// With a budget (tokens that may still be drawn, an end of text included) a token is allowed only if an ending fits
// behind it. It holds: where an ending fits at all, a token is allowed, or the text is complete, and after any allowed
// token an ending fits again. For let ending(place) be the least of what support::endings says of its ways, their
// stacks' shares added; an ending fits in n tokens when ending + 1 <= n. If it fits, take the way that has the least:
// complete, or the first token of its chosen ending leads to a place where ending is lower by one at least, so that it
// fits in n - 1; and what is allowed is just what fits in n - 1. A budget that no known ending fits in binds nothing.
// Far from the end this costs a comparison: each mask knows the longest ending behind its tokens. The exception: more
// ways than ways_max.
//
// A place where ways multiply so that a walk over the vocabulary would take too much work has no mask. That is a
// function of the place and the budget, whatever has been kept.
//
// Masks are kept up to `bytes_max`; the oldest goes first. Not for several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include <ashlar/core/ids.hpp>

#include <support/grammar/endings.hpp>
#include <support/grammar/matcher.hpp>
#include <support/grammar/token_tree.hpp>

namespace ashlar::support {

class token_masks {
public:
    static constexpr std::uint32_t without_end = 0xffffffff; // a budget

    token_masks(std::shared_ptr<const automaton> machine, const token_tree& words, std::size_t bytes_max = 16 << 20);

    // False: too ambiguous here; `bits` are of no use. `meanwhile` is called every some milliseconds.
    bool allowed(const matcher& where, std::span<std::uint64_t> bits, std::uint32_t budget = without_end,
                 const std::function<void()>& meanwhile = {});
    // Tokens that certainly suffice to end the text here, the end of text not counted; endings::never: none are known.
    std::uint32_t ending(const matcher& where);
    // Finds masks of states in the order of their distance from the start, until about so much work was done or half
    // the room is taken. Returns how many masks are there.
    std::size_t prepare(std::uint64_t work);
    std::uint64_t found() const { return found_; } // masks that had to be found, since construction

private:
    struct local {
        std::vector<std::uint64_t> bits{};
        std::vector<token_id> open{}; // depend on the stack, in the order of their bytes
        std::uint32_t deepest = 0;    // stack that it takes, endings included
        std::uint32_t longest = 0;    // ending behind one of its tokens, within the rule
        bool too_wide = false;        // it takes too much work
    };
    struct rest { // of an ending, below a stack's top
        std::uint32_t tokens, deepest;
    };
    bool find(const matcher& where, std::span<std::uint64_t> bits, std::uint32_t budget);
    const local& of(std::uint32_t state);
    // From `levels_[0]`: sets bits of tokens behind which an ending of at most `most` tokens is known, appends others
    // that leave the bottom to `open`. False: too much work.
    bool walk(std::span<std::uint64_t> bits, std::vector<token_id>* open, std::uint32_t most);
    const rest& below(const ways& of, std::uint32_t stack);
    std::uint32_t ending(const ways& of, const ways::set& at);
    void cut(std::size_t stacks);
    void move(const ways::set& from, std::uint8_t byte, ways::set& to);

    std::shared_ptr<const automaton> machine_;
    const token_tree* words_;
    endings ends_;
    std::uint32_t known_; // the longest ending to ask for: any that is known, or none where the start has none
    std::size_t kept_max_;
    std::unordered_map<std::uint32_t, local> kept_;
    std::deque<std::uint32_t> oldest_;
    struct level {
        ways::set at;
        std::size_t stacks = 0;
        bool left = false; // a way left the bottom with bytes to come
    };
    std::vector<level> levels_;
    ways ways_;
    std::vector<rest> below_; // by stack, as far as they were asked for; of ways_, or of what it is about to copy
    std::uint32_t deepest_ = 0, longest_ = 0;
    const std::uint64_t work_max_;       // of one walk
    std::uint64_t work_ = 0, found_ = 0; // of this walk
    std::uint64_t since_ = 0;            // work since the last call of
    const std::function<void()>* meanwhile_ = nullptr;
};

} // namespace ashlar::support
