// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/endings.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <span>
#include <utility>

namespace ashlar::support {

namespace {

// A byte that no token is alone costs so many others: it is taken where nothing else leads on, within a longer token.
constexpr std::uint64_t alone = 1, not_alone = 1 << 20, far = std::uint64_t{1} << 60;

// Who leads to a state, and by which of its edges or, counted behind them, calls; sorted by that state.
struct reverse {
    struct user {
        std::uint32_t state, item;
    };
    std::vector<std::uint32_t> begin;
    std::vector<user> users;

    explicit reverse(const automaton& machine) : begin(machine.size() + 2, 0) {
        each(machine, [&](std::uint32_t to, user) { ++begin[to + 2]; });
        for (std::size_t i = 2; i < begin.size(); ++i) begin[i] += begin[i - 1];
        users.resize(begin.back());
        each(machine, [&](std::uint32_t to, user by) { users[begin[to + 1]++] = by; });
    }
    template <class F>
    static void each(const automaton& machine, F tell) {
        for (std::uint32_t s = 0; s < machine.size(); ++s) {
            std::uint32_t item = 0;
            for (const auto& edge : machine.edges(s)) tell(edge.to, {s, item++});
            for (const auto& call : machine.calls(s)) tell(call.to, {s, item}), tell(call.back, {s, item++});
        }
    }
    std::span<const user> of(std::uint32_t s) const {
        return std::span(users).subspan(begin[s], begin[s + 1] - begin[s]);
    }
};

} // namespace

// The shortest endings in bytes by Knuth's generalisation of Dijkstra's algorithm (Information Processing Letters 6,
// 1977): an edge costs its byte and what follows, a call what is called and what follows; the nearest is settled first.
endings::endings(const automaton& machine, const token_tree& words) : states_(machine.size()) {
    const std::uint32_t size = machine.size();
    std::array<std::uint16_t, 257> next_alone{}; // the first byte from here that is a token
    next_alone[256] = 256;
    for (std::uint32_t b = 256; b-- > 0;) {
        const auto node = words.below(token_tree::root, static_cast<std::uint8_t>(b));
        const bool is_token = node != token_tree::none && !words.ending_at(node).empty();
        next_alone[b] = is_token ? static_cast<std::uint16_t>(b) : next_alone[b + 1];
    }
    const reverse users(machine);
    constexpr std::uint64_t unknown = ~std::uint64_t{0};
    std::vector<std::uint64_t> bytes(size, unknown);
    std::vector<std::uint32_t> called(size, automaton::nowhere); // which call it begins with
    std::vector<bool> settled(size, false);
    using entry = std::pair<std::uint64_t, std::uint32_t>;
    std::priority_queue<entry, std::vector<entry>, std::greater<>> nearest;
    for (std::uint32_t s = 0; s < size; ++s) {
        if (machine.accepts(s)) bytes[s] = 0, nearest.push({0, s});
    }
    const auto costs = [&](std::uint32_t s, std::uint64_t much) {
        much = std::min(much, far);
        if (much >= bytes[s]) return false;
        bytes[s] = much;
        nearest.push({much, s});
        return true;
    };
    std::vector<std::uint32_t> order; // settled; each state's ending goes on with earlier ones
    const auto offer = [&](reverse::user to, std::uint32_t by) { // `by` is settled
        const auto edges = machine.edges(to.state);
        ++steps_;
        if (to.item < edges.size()) {
            const auto& edge = edges[to.item];
            const bool has = next_alone[edge.low] <= edge.high;
            if (!costs(to.state, bytes[by] + (has ? alone : not_alone))) return;
            states_[to.state].next = by;
            states_[to.state].byte = has ? static_cast<std::uint8_t>(next_alone[edge.low]) : edge.low;
            return;
        }
        const auto item = static_cast<std::uint32_t>(to.item - edges.size());
        const auto& call = machine.calls(to.state)[item];
        if (!settled[call.to] || !settled[call.back] || !costs(to.state, bytes[call.to] + bytes[call.back])) return;
        states_[to.state].next = automaton::nowhere;
        called[to.state] = item;
    };
    while (!nearest.empty()) {
        const auto [much, s] = nearest.top();
        nearest.pop();
        if (settled[s] || much != bytes[s]) continue;
        settled[s] = true;
        order.push_back(s);
        for (const auto each : users.of(s)) {
            if (!settled[each.state]) offer(each, s);
        }
    }

    for (const auto s : order) {
        state& own = states_[s];
        ++steps_;
        if (machine.accepts(s)) {
            own.tokens = 0;
        } else if (own.next == automaton::nowhere) {
            const auto& call = machine.calls(s)[called[s]];
            own.tokens = sum(states_[call.to].tokens, states_[call.back].tokens);
            own.depth = std::max(states_[call.to].depth + !call.tail, states_[call.back].depth);
        } else { // the least number of tokens that spell the bytes: one of those that begin here, and the rest's
            own.depth = states_[own.next].depth;
            std::uint32_t node = token_tree::root, at = s;
            while (states_[at].next != automaton::nowhere) {
                node = words.below(node, states_[at].byte);
                at = states_[at].next;
                ++steps_;
                if (node == token_tree::none) break;
                if (!words.ending_at(node).empty()) own.tokens = std::min(own.tokens, sum(states_[at].tokens, 1));
            }
        }
    }
}

} // namespace ashlar::support
