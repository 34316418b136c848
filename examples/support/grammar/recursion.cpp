// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/recursion.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace ashlar::support {

namespace {

using kind = gbnf::kind;
constexpr std::uint32_t none = 0xffffffff;

// Components of a graph in which everybody reaches everybody (Tarjan, SIAM J. Comput. 1, 1972), without recursion.
// True for nodes that reach themselves.
std::vector<bool> on_cycles(const std::vector<std::vector<std::uint32_t>>& graph) {
    const auto n = static_cast<std::uint32_t>(graph.size());
    std::vector<std::uint32_t> index(n, 0), low(n, 0), open, path, at(n, 0);
    std::vector<bool> is_open(n, false), found(n, false);
    std::uint32_t count = 0;
    for (std::uint32_t root = 0; root < n; ++root) {
        if (index[root]) continue;
        path.push_back(root);
        while (!path.empty()) {
            const std::uint32_t v = path.back();
            if (at[v] == 0 && !index[v]) {
                index[v] = low[v] = ++count;
                open.push_back(v);
                is_open[v] = true;
            }
            if (at[v] < graph[v].size()) {
                const std::uint32_t w = graph[v][at[v]++];
                if (!index[w])
                    path.push_back(w);
                else if (is_open[w])
                    low[v] = std::min(low[v], index[w]);
                if (w == v) found[v] = true;
                continue;
            }
            path.pop_back();
            if (!path.empty()) low[path.back()] = std::min(low[path.back()], low[v]);
            if (low[v] != index[v]) continue;
            const bool many = open.back() != v;
            for (std::uint32_t w = open.back();; w = open.back()) {
                open.pop_back();
                is_open[w] = false;
                found[w] = found[w] || many;
                if (w == v) break;
            }
        }
    }
    return found;
}

// Rules that have a text at all (productive), or the empty one (nullable): what follows from parts is passed on.
std::vector<bool> fixpoint(const gbnf& grammar, bool empty) {
    const auto& nodes = grammar.nodes;
    const std::size_t rules = grammar.rules.size();
    std::vector<std::uint32_t> above(nodes.size(), none), body_of(nodes.size(), none), needs(nodes.size(), 1), todo;
    std::vector<std::vector<std::uint32_t>> named(rules); // nodes that name a rule
    for (std::uint32_t r = 0; r < rules; ++r) body_of[grammar.rules[r].body] = r;
    for (std::uint32_t n = 0; n < nodes.size(); ++n) {
        const auto& node = nodes[n];
        for (const auto part : node.parts) above[part] = n;
        if (node.what == kind::rule) named[node.rule].push_back(n);
        if (node.what == kind::sequence) needs[n] = static_cast<std::uint32_t>(node.parts.size());
        const bool known = node.what == kind::literal  ? !empty || node.bytes.empty()
                           : node.what == kind::set    ? !empty
                           : node.what == kind::repeat ? node.low == 0
                                                       : needs[n] == 0;
        if (known) needs[n] = 0, todo.push_back(n);
    }
    std::vector<bool> of_rules(rules, false);
    const auto part_holds = [&](std::uint32_t n) {
        if (needs[n] > 0 && --needs[n] == 0) todo.push_back(n);
    };
    while (!todo.empty()) {
        const auto n = todo.back();
        todo.pop_back();
        if (above[n] != none) part_holds(above[n]);
        if (body_of[n] == none) continue;
        of_rules[body_of[n]] = true;
        for (const auto each : named[body_of[n]]) part_holds(each);
    }
    return of_rules;
}

// Rules that a node names; `left`: only those that can stand at its beginning. True: it may be empty.
bool names(const gbnf& grammar, const std::vector<bool>& nullable, const gbnf::node& node, bool left,
           std::vector<std::uint32_t>& out) {
    switch (node.what) {
    case kind::literal:
        return node.bytes.empty();
    case kind::set:
        return false;
    case kind::rule:
        out.push_back(node.rule);
        return nullable[node.rule];
    case kind::sequence:
        for (const auto each : node.parts) {
            if (!names(grammar, nullable, grammar.nodes[each], left, out) && left) return false;
        }
        return true;
    case kind::choice: {
        bool empty = false;
        for (const auto each : node.parts) empty = names(grammar, nullable, grammar.nodes[each], left, out) || empty;
        return empty;
    }
    case kind::repeat:
        if (node.high == 0) return true;
        return names(grammar, nullable, grammar.nodes[node.parts.front()], left, out) || node.low == 0;
    }
    return false;
}

} // namespace

outcome<std::vector<bool>> recursive_rules(const gbnf& grammar) {
    const auto rules = static_cast<std::uint32_t>(grammar.rules.size());
    const std::vector<bool> unknown(rules, false);
    const auto body = [&](std::uint32_t rule) -> const gbnf::node& { return grammar.nodes[grammar.rules[rule].body]; };
    const auto refuse = [&](errc code, std::uint32_t rule, const std::string& why) {
        return make_fault(code, "rule " + in_quotes(grammar.rules[rule].name) + ": " + why);
    };
    std::vector<std::vector<std::uint32_t>> named(rules), left(rules);
    for (std::uint32_t r = 0; r < rules; ++r) {
        names(grammar, unknown, body(r), false, named[r]);
        std::sort(named[r].begin(), named[r].end());
        named[r].erase(std::unique(named[r].begin(), named[r].end()), named[r].end());
    }
    const auto productive = fixpoint(grammar, false);
    const auto nullable = fixpoint(grammar, true);
    const auto recursive = on_cycles(named);
    std::uint32_t endless = rules; // the innermost, as far as the order of rules tells
    for (std::uint32_t r = 0; r < rules; ++r) {
        if (!productive[r] && (recursive[r] || endless == rules)) endless = r;
        names(grammar, nullable, body(r), true, left[r]);
    }
    if (endless < rules) return refuse(errc::unsupported, endless, "no text ever completes it");
    const auto left_recursive = on_cycles(left);
    for (std::uint32_t r = 0; r < rules; ++r) {
        if (left_recursive[r])
            return refuse(errc::unsupported, r, "it recurses on its left: it can name itself before it reads a byte");
    }
    return recursive;
}

} // namespace ashlar::support
