// SPDX-License-Identifier: Apache-2.0
// GBNF, the grammar notation that llama.cpp made common, as a tree: rules of literals, character sets, sequences,
// choices and repetitions. Text that a stranger sent; every refusal names the line and the rule.
//
//     auto read = support::parse_gbnf("root ::= \"yes\" | \"no\" [!.]{1,3}");   if (!read) return read.fault();
//
// Understood: rules over several lines, # comments, "literals" and [sets] with \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH
// \UHHHHHHHH, ^ and ranges in sets, . for any character, ( ), |, ?, *, +, {n}, {n,}, {n,m}. The first rule is `root`'s.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <support/outcome.hpp>

namespace ashlar::support {

struct gbnf {
    enum class kind : std::uint8_t { literal, set, rule, sequence, choice, repeat };
    struct range {
        char32_t low, high;
    };
    struct node {
        kind what = kind::sequence;
        std::string bytes{};                // literal
        std::vector<range> set{};           // sorted, apart from each other, without surrogates
        std::vector<std::uint32_t> parts{}; // sequence, choice: of any number; repeat: one
        std::uint32_t rule = 0;
        std::uint32_t low = 0, high = 0; // repeat; `without_end`: any number
    };
    struct rule {
        std::string name;
        std::uint32_t body = 0;
    };
    static constexpr std::uint32_t without_end = 0xffffffff;

    std::vector<node> nodes;
    std::vector<rule> rules;
    std::uint32_t root = 0; // index of the rule of that name
};

struct gbnf_limits {
    std::size_t bytes = 1 << 20;
    std::uint32_t rules = 8192, nodes = 1 << 17, nesting = 64, repeat = 1 << 16;
};

// corrupt: not GBNF. not_found: a rule that is named and not there. exhausted: a limit. unsupported: what newer
// dialects add (tokens by id).
outcome<gbnf> parse_gbnf(std::string_view text, const gbnf_limits& limits = {});

} // namespace ashlar::support
