// SPDX-License-Identifier: Apache-2.0
// Answers that follow a grammar, on the engine's side: grammars are compiled once, aside of the engine's loop, and
// shared by the requests that send the same text; each answer has a place in its own. The place follows from the tokens
// alone, so that a hand-over or another attempt goes on with the same bits.
//
//     constraints grammars(path, 64);
//     auto asked = grammars.compile(text);                    // a reserve frame names a grammar
//     ... once asked.ready():
//     auto rule = grammars.begin(*asked.ready());
//     if (rule && rule->follow(generated)) rule->allowed(stop_tokens, bits, budget, beat);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <support/grammar/automaton.hpp>
#include <support/grammar/matcher.hpp>
#include <support/grammar/token_masks.hpp>
#include <support/loading_cache.hpp>
#include <support/outcome.hpp>

namespace serve {

class constraint { // of one answer
public:
    constraint(std::shared_ptr<ashlar::support::token_masks> masks, ashlar::support::matcher start,
               const ashlar::support::token_tree& words)
        : masks_(std::move(masks)), at_(std::move(start)), words_(&words) {}

    // Reads what is new in `generated`, all tokens of the answer so far. unsupported: the grammar does not have them.
    ashlar::result<void> follow(std::span<const ashlar::token_id> generated);
    // Sets the bits of tokens that may come next; of `ends` when the answer may end here. Within `budget`, tokens that
    // may still be drawn with the one that ends it, the answer ends if any ending is known that fits. True: something
    // else than an end may come. unsupported: too ambiguous here. `meanwhile` is called every some milliseconds.
    ashlar::result<bool> allowed(std::span<const ashlar::token_id> ends, std::span<std::uint64_t> bits,
                                 std::uint32_t budget, const std::function<void()>& meanwhile);

private:
    std::shared_ptr<ashlar::support::token_masks> masks_;
    ashlar::support::matcher at_;
    const ashlar::support::token_tree* words_;
    std::size_t read_ = 0;
};

struct compiled_grammar {
    std::shared_ptr<const ashlar::support::automaton> machine;
    std::shared_ptr<ashlar::support::token_masks> masks; // once compiled, the loop's alone
};

class constraints {
public:
    using compiled = ashlar::support::outcome<compiled_grammar>;
    using asked = ashlar::support::loading_cache<compiled>::asked;

    // Reads the vocabulary of a GGUF file. Throws std::runtime_error with a sentence. At most `waiting_max` grammars
    // wait to be compiled.
    constraints(const std::string& model, std::size_t waiting_max);

    asked compile(const std::string& text); // empty: too many wait
    ashlar::support::outcome<constraint> begin(const compiled& made) const;
    std::size_t words() const { return (tree_.vocabulary() + 63) / 64; }

private:
    ashlar::support::token_tree tree_;
    ashlar::support::loading_cache<compiled> kept_;
};

} // namespace serve
