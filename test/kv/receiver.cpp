// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/receiver.hpp>
#include <ashlar/kv/sender.hpp>

#include <deque>
#include <vector>

using namespace ashlar;

// A small world, explored whole: two peers, three pages, two transfers (of two blocks and of one), every order in which
// writes and messages can arrive, and a cancel of either side of the first transfer at every point. A write lands after
// its sender believes it done. Runs are replayed from their choices, so that nothing has to be copied.
namespace {
struct world {
    struct write {
        int transfer;
        std::uint64_t target;
        int value;
    };
    kv::sender s[2] = {{1, 4}, {1, 4}};
    kv::receiver r[2] = {{1, 4}, {1, 4}};
    std::deque<kv::control> to_d[2], to_p[2];
    std::vector<write> flying;
    int pages[6] = {-1, -1, -1, -1, -1, -1}; // a page is one byte, at every second place: two blocks, two writes
    bool freed[2] = {}, finished[2] = {}, sent[2] = {}, cancelled = false;
    int ends_p[2] = {}, ends_d[2] = {};
    static constexpr std::uint32_t blocks[2] = {2, 1}, first[2] = {0, 2};

    world() {
        for (std::uint32_t i : {0u, 1u}) {
            const block_run here{first[i], blocks[i]};
            const kv::granted_run there{first[i], blocks[i], 0};
            REQUIRE(s[i].begin({.transfer = {i + 1},
                                .slot = i,
                                .layers = 1,
                                .page_bytes = 1,
                                .blocks = {0, blocks[i]},
                                .here = {8, 2},
                                .there = {8, 2}},
                               {&here, 1}, {&there, 1}, {}));
            REQUIRE(r[i].begin({.transfer = {i + 1},
                                .slot = i,
                                .layers = 1,
                                .page_bytes = 1,
                                .blocks = {0, blocks[i]},
                                .here = {8, 2}},
                               {&here, 1}));
            for (std::uint32_t b = 0; b < blocks[i]; ++b) REQUIRE(s[i].layer_ready({0}, {b, 1}));
        }
    }
    void settle() { // whatever needs no choice
        for (int i : {0, 1}) {
            kv::move_step m;
            while (s[i].next_move(m)) {
                s[i].posted(m);
                flying.push_back({i, m.target, 100 + int(m.source)});
                s[i].completed(m.batch, m.piece, true, true, 100 + std::uint32_t(m.source));
            }
            for (kv::control c; s[i].next_message(c); s[i].said(c, {})) to_d[i].push_back(c);
            s[i].settle();
            kv::receiver::check k;
            while (r[i].next_check(k)) {
                bool good = true;
                r[i].each_place(
                    k, [&](const kv::piece& p, std::uint64_t at) { good = good && pages[at] == int(p.checksum); });
                (void)r[i].checked(k.record, good);
            }
            if (r[i].hopeless() && r[i].fail(errc::corrupt)) ++ends_d[i];
            if (r[i].complete()) {
                for (std::uint32_t b = 0; b < blocks[i]; ++b)
                    REQUIRE(pages[2 * (first[i] + b)] == int(100 + 2 * (first[i] + b)));
                r[i].finish();
                finished[i] = freed[i] = true;
                ++ends_d[i];
            }
            if (r[i].quiesced()) r[i].rest(), freed[i] = true;
            for (kv::control c; r[i].next_message(c); r[i].said(c)) to_p[i].push_back(c);
        }
    }
    std::size_t options() const { return steps_of(0) ? steps_of(0) + (cancelled ? 0 : 2) : steps_of(1); }
    // The transfers share nothing but the array of pages, of which each has its own: their steps commute, and it is
    // enough to take one transfer's after the other's.
    std::size_t steps_of(int i) const {
        std::size_t n = !to_d[i].empty() + !to_p[i].empty();
        for (const write& w : flying) n += w.transfer == i;
        return n;
    }
    void act(std::size_t choice) {
        const int i = steps_of(0) ? 0 : 1;
        for (std::size_t k = 0; k < flying.size(); ++k) {
            if (flying[k].transfer != i || choice-- != 0) continue;
            const write w = flying[k];
            flying.erase(flying.begin() + std::ptrdiff_t(k));
            REQUIRE_FALSE(freed[i]); // nothing lands in a page that may have a new owner
            pages[w.target] = w.value;
            return r[i].arrived(0);
        }
        if (!to_d[i].empty() && choice-- == 0) {
            const kv::control c = to_d[i].front();
            to_d[i].pop_front();
            if (c.what == kv::verb::start) {
                if (r[i].live())
                    r[i].started(0, 0);
                else
                    to_p[i].push_back({.what = kv::verb::stop, .transfer = c.transfer, .reason = errc::cancelled});
                return;
            }
            if (!r[i].bound() || r[i].is_over()) return;
            const auto o = r[i].on(c);
            REQUIRE(o.taken);
            if (o.failed) ends_d[i] += r[i].fail(o.reason);
            return;
        }
        if (!to_p[i].empty() && choice-- == 0) {
            const auto c = to_p[i].front();
            to_p[i].pop_front();
            if (s[i].is_over()) return;
            const auto o = s[i].on(c);
            ends_p[i] += o.finished;
            if (o.failed) ends_p[i] += s[i].fail(o.reason);
            return;
        }
        cancelled = true;
        if (choice == 0)
            ends_p[0] += s[0].fail(errc::cancelled);
        else
            ends_d[0] += r[0].fail(errc::cancelled);
    }
};
} // namespace

TEST_CASE(
    "two peers, three pages, two transfers: in every order each side ends once and no write lands in a freed page") {
    std::vector<std::size_t> choices, limits;
    long runs = 0, whole = 0;
    for (bool more = true; more; ++runs) {
        world w;
        w.settle();
        for (std::size_t depth = 0;; ++depth) {
            const std::size_t n = w.options();
            if (n == 0) break;
            if (depth == choices.size()) choices.push_back(0), limits.push_back(n);
            REQUIRE(limits[depth] == n);
            w.act(choices[depth]);
            w.settle();
        }
        for (int i : {0, 1}) {
            REQUIRE(w.ends_p[i] == 1);
            REQUIRE(w.freed[i]);
            REQUIRE(w.ends_d[i] == 1);
            REQUIRE(w.r[i].is_over());
            REQUIRE(w.s[i].is_over());
        }
        REQUIRE(w.finished[1]);
        whole += w.finished[0];
        more = false;
        while (!choices.empty() && !more) {
            if (choices.back() + 1 < limits.back())
                ++choices.back(), more = true;
            else
                choices.pop_back(), limits.pop_back();
        }
        if (runs > 2'000'000) FAIL("not explored whole");
    }
    CHECK(whole > 0);
    CHECK(whole < runs);
    MESSAGE("explored ", runs, " orders");
}
