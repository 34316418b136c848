// SPDX-License-Identifier: Apache-2.0
// GBNF that anybody may send: an error with a sentence, or a machine whose masks are what its matcher says, token by
// token, along a text that the input itself chooses; and one that ends within its budget.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <support/grammar/automaton.hpp>
#include <support/grammar/gbnf.hpp>
#include <support/grammar/matcher.hpp>
#include <support/grammar/token_masks.hpp>

#include "require.hpp"

using namespace ashlar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto read = support::parse_gbnf(text, {.bytes = 4096, .rules = 64, .nodes = 2048});
    if (!read) return require(!read.fault().sentence.empty()), 0;
    auto made = support::automaton::from(*read, {.states = 2048, .work = 100'000});
    if (!made) return require(made.fault().sentence.find("rule") != std::string::npos), 0;
    const auto machine = std::make_shared<const support::automaton>(std::move(made).value());

    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    for (std::size_t at = 0; at + 3 <= size && at < 60; at += 3) tokens.emplace_back(text.substr(at, 2 + at % 2));
    const support::token_tree words(tokens);
    support::token_masks masks(machine, words);
    std::vector<std::uint64_t> bits((tokens.size() + 63) / 64);
    support::matcher at(machine);
    for (std::size_t step = 0; step < 12 && !at.finished(); ++step) {
        require(at.at().open.size() <= support::ways::ways_max);
        masks.allowed(at, bits);
        std::vector<token_id> can;
        bool unsure = false; // too ambiguous to follow: a mask may then promise more than the matcher can keep
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            support::matcher copy = at;
            const auto accepted = copy.accept(tokens[t]);
            unsure = unsure || (!accepted && accepted.error().code == errc::exhausted);
            const bool allowed = bits[t / 64] >> t % 64 & 1;
            if (!unsure && allowed != accepted.has_value())
                require(!allowed && masks.ending(copy) == support::endings::never);
            if (accepted) can.push_back(static_cast<token_id>(t));
        }
        if (can.empty()) return require(unsure || at.complete() || at.stacks().deepest == support::ways::depth_max), 0;
        if (unsure) return 0;
        require(at.accept(words.bytes(can[(size ? data[step % size] : 0u) % can.size()])).has_value());
    }
    support::matcher again(machine);
    const auto least = masks.ending(again);
    for (auto left = least + 1 + (size ? data[0] % 4 : 0); least < 16; --left) {
        masks.allowed(again, bits, left);
        std::vector<token_id> can;
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            if (bits[t / 64] >> t % 64 & 1) can.push_back(static_cast<token_id>(t));
        }
        require(left > 0 && (!can.empty() || again.complete()));
        if (can.empty()) break;
        const auto chosen = can[(size ? data[left % size] : 0u) % can.size()];
        if (!again.accept(words.bytes(chosen))) return require(again.stacks().too_many), 0;
    }
    return 0;
}
