// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/network.hpp>

#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/sim/endpoint.hpp>
#include <ashlar/sim/run.hpp>

using namespace ashlar;
using namespace ashlar::fabric;
using namespace ashlar::literals;

namespace {
// Two connected endpoints, each with memory of its own.
struct pair {
    sim::network net;
    sim::endpoint a, b;
    std::vector<std::byte> mine = std::vector<std::byte>(4096, std::byte{0xaa}), theirs = std::vector<std::byte>(4096);
    region from, to;
    peer_id to_b, to_a;

    explicit pair(const sim::faults& how, std::uint64_t seed = 1)
        : net({.seed = seed, .endpoints = 2, .operations = 64, .inbound = 64, .how = how}), a(net), b(net) {
        from = a.register_memory({mine.data(), mine.size(), memory_kind::host}).value();
        to = b.register_memory({theirs.data(), theirs.size(), memory_kind::host}).value();
        to_b = a.connect(b.address()).value();
        to_a = b.connect(a.address()).value();
    }
    std::size_t landed() const {
        std::size_t n = 0;
        for (std::byte x : theirs) n += x == std::byte{0xaa};
        return n;
    }
    // How many completions of a kind `e` has to tell.
    static std::size_t count(sim::endpoint& e, completion::kind what) {
        completion got[16];
        std::size_t n = 0;
        while (const std::size_t k = e.poll(got)) {
            for (std::size_t i = 0; i < k; ++i) n += got[i].what == what;
        }
        return n;
    }
};
} // namespace

TEST_CASE("a write lands in pieces, and its number comes only after the last of them") {
    bool torn = false;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        pair w(sim::faults::slow(), seed);
        op o;
        REQUIRE(w.a.write(w.to_b, {&w.from, 0, 4096}, {w.to.remote, 0}, 5, o));
        while (w.net.step()) {
            const bool number = pair::count(w.b, completion::kind::immediate) > 0;
            torn |= w.landed() != 0 && w.landed() != 4096;
            if (number) REQUIRE(w.landed() == 4096);
        }
        CHECK(w.landed() == 4096);
    }
    CHECK(torn);
}

TEST_CASE("a write that was posted lands after its sender died, unless the sender is fenced") {
    for (bool fenced : {false, true}) {
        pair w(sim::faults::none());
        op o;
        REQUIRE(w.a.write(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, o));
        w.net.kill(w.a.number());
        if (fenced) w.net.fence(w.a.number());
        while (w.net.step()) {
        }
        CHECK(w.landed() == (fenced ? 0 : 100));
        CHECK(w.net.counters().late == (fenced ? 0 : 1));
        CHECK(pair::count(w.b, completion::kind::peer_down) == 1);
    }
}

TEST_CASE("memory that is deregistered while a write is on its way is not touched") {
    pair w(sim::faults::none());
    op o;
    REQUIRE(w.a.write(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, 5, o));
    REQUIRE(w.b.deregister_memory(w.to));
    while (w.net.step()) {
    }
    CHECK(w.landed() == 0);
    CHECK(pair::count(w.b, completion::kind::immediate) == 0);
    CHECK(pair::count(w.a, completion::kind::operation) == 1);
    CHECK(o.status == op_status::failed);
    CHECK(w.net.counters().refused == 1);
}

TEST_CASE("disconnecting a peer fences what it still has on its way here") {
    pair w(sim::faults::none());
    op o;
    REQUIRE(w.a.write(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, o));
    w.b.disconnect(w.to_a);
    while (w.net.step()) {
    }
    CHECK(w.landed() == 0);
    CHECK(pair::count(w.a, completion::kind::operation) == 1);
    CHECK(o.status == op_status::failed);
}

TEST_CASE("a landing that the guard does not allow is counted") {
    pair w(sim::faults::none());
    w.net.guard({&w, [](void* p, std::uint32_t, const std::byte* at, std::size_t) {
                     return at < static_cast<pair*>(p)->theirs.data() + 2048;
                 }});
    op one, two;
    REQUIRE(w.a.write(w.to_b, {&w.from, 0, 10}, {w.to.remote, 0}, one));
    REQUIRE(w.a.write(w.to_b, {&w.from, 0, 10}, {w.to.remote, 3000}, two));
    while (w.net.step()) {
    }
    CHECK(w.net.counters().violations == 1);
}

TEST_CASE("messages are lost, doubled and overtaken as often as the faults say, and every op still ends once") {
    sim::faults how = sim::faults::none();
    how.drop_message = how.duplicate_message = how.reorder = 0.5f;
    how.delay_max = 1_ms;
    pair w(how);
    std::size_t got = 0, ended = 0;
    std::vector<op> ops(2000);
    std::uint32_t last = 0, overtaken = 0;
    completion out[16];
    const auto drain = [&] {
        for (sim::endpoint* e : {&w.a, &w.b}) {
            while (const std::size_t n = e->poll(out)) {
                for (std::size_t i = 0; i < n; ++i) {
                    ended += out[i].what == completion::kind::operation;
                    if (out[i].what != completion::kind::message) continue;
                    std::uint32_t number;
                    std::memcpy(&number, out[i].message.data(), 4);
                    overtaken += number < last;
                    last = number;
                    ++got;
                }
            }
        }
    };
    for (std::uint32_t i = 0; i < ops.size(); ++i) {
        while (!w.a.send(w.to_b, std::as_bytes(std::span<std::uint32_t>(&i, 1)), ops[i])) w.net.step(), drain();
    }
    while (w.net.step()) drain();
    drain();
    CHECK(ended == ops.size());
    CHECK(got == ops.size() - w.net.counters().dropped + w.net.counters().doubled);
    CHECK(w.net.counters().dropped > 800);
    CHECK(w.net.counters().dropped < 1200);
    CHECK(w.net.counters().doubled > 200);
    CHECK(overtaken > 100);
}

TEST_CASE("a stalled endpoint receives nothing until its stall ends") {
    pair w(sim::faults::none());
    w.net.stall(w.b.number(), instant{} + 5_ms);
    op o;
    REQUIRE(w.a.write(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, o));
    w.net.run_until(instant{} + 4_ms);
    CHECK(w.landed() == 0);
    w.net.run_until(instant{} + 6_ms);
    CHECK(w.landed() == 100);
}

TEST_CASE("a seed is one history, another seed is another") {
    const auto history = [](std::uint64_t seed) {
        pair w(sim::faults::rough(), seed);
        std::vector<op> ops(40);
        for (op& o : ops) (void)w.a.write(w.to_b, {&w.from, 0, 64}, {w.to.remote, 0}, 1, o);
        while (w.net.step()) {
        }
        return w.net.trace();
    };
    CHECK(sim::runs_identically(3, history));
    CHECK(history(3) != history(4));
}
