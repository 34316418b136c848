// SPDX-License-Identifier: Apache-2.0
// Two connected endpoints of a simulated network, each with memory of its own.
//
//     pair w(sim::faults::none());   w.a.write(w.to_b, {&w.from, 0, 100}, {w.to.remote, 0}, o);
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ashlar/sim/endpoint.hpp>

namespace ashlar::test {

using namespace fabric;

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

} // namespace ashlar::test
