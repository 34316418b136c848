// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/batcher.hpp>

#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::sched;

namespace {
using taken = std::vector<std::pair<std::uint32_t, std::uint32_t>>; // slot, tokens
struct line_up {
    request_table requests{8};
    fleet engines{1};
    instance& at;
    explicit line_up(std::uint32_t budget)
        : at(engines[engines.add({{1}, role::unified, {1}, 100, 16, budget, 8}, {})]) {}
    void decode(std::uint64_t id) { at.decode_line.push_back(requests.slots(), requests.open({id})); }
    void prefill(std::uint64_t id, std::uint32_t tokens, std::uint32_t computed = 0) {
        const std::uint32_t slot = requests.open({id});
        requests[slot].context = tokens;
        requests[slot].computed = computed;
        at.prefill_line.push_back(requests.slots(), slot);
    }
    taken fill() {
        taken out;
        chunked_batcher{}.fill(at, requests,
                               [&](std::uint32_t slot, item_kind, std::uint32_t n) { out.emplace_back(slot, n); });
        return out;
    }
};
} // namespace

TEST_CASE("decodes go first with a token each, prompts get the rest, the last one cut to fit") {
    line_up l(16);
    l.prefill(1, 10, 4);
    l.decode(2);
    l.prefill(3, 100);
    l.decode(4);
    CHECK(l.fill() == taken{{1, 1}, {3, 1}, {0, 6}, {2, 8}});
}

TEST_CASE("more decodes than tokens: the line's head is served, prompts wait") {
    line_up l(2);
    for (std::uint64_t id = 1; id <= 3; ++id) l.decode(id);
    l.prefill(4, 5);
    CHECK(l.fill() == taken{{0, 1}, {1, 1}});
}

TEST_CASE("an item may leave its line while it is taken") {
    line_up l(8);
    l.decode(1);
    l.decode(2);
    int n = 0;
    chunked_batcher{}.fill(l.at, l.requests, [&](std::uint32_t slot, item_kind, std::uint32_t) {
        l.at.decode_line.remove(l.requests.slots(), slot);
        ++n;
    });
    CHECK(n == 2);
    CHECK(l.at.decode_line.empty());
}
