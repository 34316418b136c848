// SPDX-License-Identifier: Apache-2.0
// Which tokens of a vocabulary can come next in a grammar, as a bit each. What a token does inside one automaton does
// not depend on the rules around it: it is found once a state, for the whole vocabulary, and kept. Only tokens that
// leave their automaton on the way ("\"}," behind a string in a list) are tried with the stack at hand.
//
//     support::token_tree words(tokens);                  // bytes of each token; empty: never allowed
//     support::token_masks masks(machine, words);
//     masks.prepare(2'000'000);                           // ahead: the states nearest to the start
//     masks.allowed(where, bits);                         // where: a matcher; bits: (tokens + 63) / 64 words
//
// Masks are kept up to `bytes_max`; the oldest goes first. Not for several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <ashlar/core/ids.hpp>

#include <support/grammar/matcher.hpp>

namespace ashlar::support {

// The tokens as a tree of their bytes, in preorder. Immutable.
class token_tree {
public:
    explicit token_tree(std::vector<std::string> tokens);

    struct node {
        std::uint32_t end;    // behind the last node below this one
        std::uint32_t tokens; // where those that end here begin in order()
        std::uint16_t depth;  // bytes up to here, from 1
        std::uint8_t byte;
    };
    std::uint32_t vocabulary() const { return static_cast<std::uint32_t>(tokens_.size()); }
    std::string_view bytes(token_id token) const { return tokens_[static_cast<std::size_t>(token)]; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(nodes_.size()) - 1; }
    const node& at(std::uint32_t i) const { return nodes_[i]; }
    std::span<const token_id> ending_at(std::uint32_t i) const {
        return std::span(order_).subspan(nodes_[i].tokens, nodes_[i + 1].tokens - nodes_[i].tokens);
    }
    std::uint32_t depth_max() const { return depth_max_; }

private:
    std::vector<std::string> tokens_;
    std::vector<token_id> order_;
    std::vector<node> nodes_;
    std::uint32_t depth_max_ = 0;
};

class token_masks {
public:
    token_masks(std::shared_ptr<const automaton> machine, const token_tree& words, std::size_t bytes_max = 16 << 20);

    void allowed(const matcher& where, std::span<std::uint64_t> bits);
    // Finds masks of states in the order of their distance from the start, until about so many nodes of the tree were
    // looked at or half the room is taken. Returns how many masks are there.
    std::size_t prepare(std::uint64_t nodes);
    std::uint64_t found() const { return found_; } // masks that had to be found, since construction

private:
    struct local {
        std::vector<std::uint64_t> bits{};
        std::vector<token_id> open{}; // depend on the stack, in the order of their bytes
        std::uint32_t deepest = 0;    // stack that it took
    };
    const local& of(std::uint32_t state);
    // From `levels_[0]`: sets bits of tokens that pass, appends those that leave the bottom to `open`.
    void walk(std::span<std::uint64_t> bits, std::vector<token_id>* open);

    std::shared_ptr<const automaton> machine_;
    const token_tree* words_;
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
    std::uint64_t visited_ = 0, found_ = 0;
};

} // namespace ashlar::support
