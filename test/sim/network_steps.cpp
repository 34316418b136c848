// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/network_steps.hpp>

#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/sim/run.hpp>

#include "pair.hpp"

using namespace ashlar;
using namespace ashlar::fabric;
using namespace ashlar::literals;
using test::pair;

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

TEST_CASE("a link carries its bytes one after another at its rate, each direction and each pair for itself") {
    sim::faults how = sim::faults::none();
    how.link_bytes_per_second = 1'000'000; // a microsecond a byte
    how.delay_min = how.delay_max = 10_us;
    pair w(how);
    op writes[2], back, read;
    for (op& o : writes) REQUIRE(w.a.write(w.to_b, {&w.from, 0, 1000}, {w.to.remote, 0}, o));
    REQUIRE(w.b.write(w.to_a, {&w.to, 0, 500}, {w.from.remote, 0}, back));
    REQUIRE(w.a.read(w.to_b, {&w.from, 1000, 500}, {w.to.remote, 1000}, read)); // its bytes queue behind `back`
    w.net.run_until(instant{} + 509_us);
    CHECK(w.mine[0] == std::byte{0xaa});
    w.net.run_until(instant{} + 510_us);
    CHECK(w.mine[0] == std::byte{0});
    w.net.run_until(instant{} + 1'009_us);
    CHECK(w.landed() == 0);
    CHECK(w.mine[1000] == std::byte{0xaa});
    w.net.run_until(instant{} + 1'010_us);
    CHECK(w.landed() == 1000 - 500 + 500);
    CHECK(w.mine[1000] == std::byte{0});
    CHECK(w.net.counters().pieces == 3);
    w.net.run_until(instant{} + 2'010_us);
    CHECK(w.net.counters().pieces == 4);
}

TEST_CASE("messages take their turn on the link as well") {
    sim::faults how = sim::faults::none();
    how.link_bytes_per_second = 1'000'000;
    how.delay_min = how.delay_max = 10_us;
    pair w(how);
    const std::vector<std::byte> long_one(1000, std::byte{5});
    op first, second;
    REQUIRE(w.a.send(w.to_b, long_one, first));
    REQUIRE(w.a.send(w.to_b, long_one, second));
    w.net.run_until(instant{} + 2'009_us);
    CHECK(pair::count(w.b, completion::kind::message) == 1);
    w.net.run_until(instant{} + 2'010_us);
    CHECK(pair::count(w.b, completion::kind::message) == 1);
}
