// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/network.hpp>

#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/sim/run.hpp>

#include "pair.hpp"

using namespace ashlar;
using namespace ashlar::fabric;
using namespace ashlar::literals;
using test::pair;

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

TEST_CASE("a cut link holds what is under way one way only, and a heal lets it through in its order") {
    pair w(sim::faults::none());
    op lands, waits, first, second;
    w.net.cut(w.a.number(), w.b.number());
    REQUIRE(w.a.write(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, 7, waits));
    const std::byte one[] = {std::byte{1}}, two[] = {std::byte{2}};
    REQUIRE(w.a.send(w.to_b, one, first));
    REQUIRE(w.a.send(w.to_b, two, second));
    REQUIRE(w.b.write(w.to_a, {&w.to, 200, 100}, {w.from.remote, 200}, 9, lands));
    w.net.run_until(instant{} + 1_s);
    CHECK(w.landed() == 0);
    CHECK(w.mine[200] == std::byte{0}); // the other way is open
    CHECK(pair::count(w.a, completion::kind::immediate) == 1);
    CHECK(waits.status == op_status::pending);
    CHECK(lands.status == op_status::pending); // what was heard of it cannot be answered
    CHECK(w.net.counters().held > 0);
    w.net.heal(w.a.number(), w.b.number());
    while (w.net.step()) {
    }
    CHECK(w.landed() == 100);
    std::vector<std::byte> heard;
    completion got[16];
    for (std::size_t n = w.b.poll(got), i = 0; i < n; ++i) {
        if (got[i].what == completion::kind::message) heard.push_back(got[i].message[0]);
    }
    CHECK(heard == std::vector<std::byte>{std::byte{1}, std::byte{2}});
    (void)pair::count(w.a, completion::kind::operation);
    CHECK(waits.status == op_status::done);
    CHECK(lands.status == op_status::done);
}

TEST_CASE("a read needs both directions") {
    for (bool there : {false, true}) {
        pair w(sim::faults::none());
        op o;
        there ? w.net.cut(w.a.number(), w.b.number()) : w.net.cut(w.b.number(), w.a.number());
        REQUIRE(w.a.read(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, o));
        w.net.run_until(instant{} + 1_s);
        CHECK(w.mine[0] == std::byte{0xaa});
        there ? w.net.heal(w.a.number(), w.b.number()) : w.net.heal(w.b.number(), w.a.number());
        while (w.net.step()) {
        }
        CHECK(w.mine[0] == std::byte{0});
    }
}
