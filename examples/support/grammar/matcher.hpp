// SPDX-License-Identifier: Apache-2.0
// Where a text stands in a grammar: a value that bytes move on. Copy it to try something.
//
//     support::matcher at(machine);                       // shared: the machine outlives its matchers
//     if (at.accept("{\"a") && at.complete()) ...         // false: no text of the grammar begins so
//
// All ways to read the text so far are followed at once, each with its stack of rules to go back to. A way that nests
// deeper than `depth_max` is given up; more than `ways_max` ways at once are too ambiguous to follow: an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <ashlar/core/result.hpp>

#include <support/grammar/automaton.hpp>

namespace ashlar::support {

// Ways through one automaton, and the moves of them. The stacks are a tree of nodes that only grows; whoever walks
// back cuts it (`cut`), since nodes refer to earlier ones only.
class ways {
public:
    static constexpr std::uint32_t depth_max = 256, ways_max = 256, bottom = 0;
    struct way {
        std::uint32_t state, stack;
        friend bool operator==(const way&, const way&) = default;
    };
    struct set {
        std::vector<way> open;
        bool complete = false; // one of them came through to the bottom
        bool dead() const { return open.empty() && !complete; }
        void clear() { open.clear(), complete = false; }
    };

    explicit ways(const automaton& machine) : machine_(&machine), stacks_(1) {}

    // Adds a way, with all that is reached from it without a byte.
    void enter(std::uint32_t state, std::uint32_t stack, set& into);
    void step(const set& from, std::uint8_t byte, set& into); // clears `into`
    std::size_t size() const { return stacks_.size(); }
    void cut(std::size_t size) { stacks_.resize(size); }
    void compact(set& live); // nothing else refers to a stack
    std::uint32_t depth(std::uint32_t stack) const { return stacks_[stack].depth; }
    std::uint32_t below(std::uint32_t stack) const { return stacks_[stack].below; }
    std::uint32_t back(std::uint32_t stack) const { return stacks_[stack].back; } // where its top goes on
    // Of the deepest push since it was set to 0; whether ways_max was met.
    std::uint32_t deepest = 0;
    bool too_many = false;
    std::uint64_t work = 0; // comparisons and moves so far, some nanoseconds each
    const automaton& machine() const { return *machine_; }

private:
    struct entry {
        std::uint32_t below = 0, back = 0, depth = 0;
        std::uint64_t hash = 0;
    };
    bool same(std::uint32_t a, std::uint32_t b) const;
    void add(way one, set& into);

    const automaton* machine_;
    std::vector<entry> stacks_;
    std::vector<way> todo_;
};

class matcher {
public:
    explicit matcher(std::shared_ptr<const automaton> machine);

    // invalid_argument: no text of the grammar begins so. exhausted: too ambiguous. The matcher is then of no use.
    result<void> accept(std::string_view bytes);
    bool complete() const { return at_.complete; }     // the text may end here
    bool finished() const { return at_.open.empty(); } // and can do nothing else
    const ways::set& at() const { return at_; }
    const ways& stacks() const { return ways_; }

private:
    std::shared_ptr<const automaton> machine_;
    ways ways_;
    ways::set at_, next_;
    std::size_t compacted_ = 64;
};

} // namespace ashlar::support
