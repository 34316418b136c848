// SPDX-License-Identifier: Apache-2.0
// Tutorial 5: the same fabric concept over a network that misbehaves by seed, in virtual time. Same seed, same trace.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <ashlar/sim.hpp>

namespace al = ashlar;

//! [count]
// Works over any fabric: counts the immediates, because nothing promises an order of writes.
template <al::fabric::fabric F>
std::uint32_t count_immediates(F& net) {
    std::array<al::fabric::completion, 8> done;
    std::uint32_t seen = 0;
    for (std::size_t n = net.poll(done), i = 0; i < n; ++i) {
        seen += done[i].what == al::fabric::completion::kind::immediate;
    }
    return seen;
}
//! [count]

//! [scenario]
al::trace_hash sixteen_writes(std::uint64_t seed) {
    al::sim::network world({.seed = seed, .endpoints = 2, .operations = 32, .inbound = 32,
                            .how = al::sim::faults::slow()}); // late, in pieces, out of order, stalling
    al::sim::endpoint a(world), b(world);
    std::vector<std::byte> from(16 * 1024, std::byte{7}), to(from.size());
    const auto source = a.register_memory({from.data(), from.size()}).value();
    const auto target = b.register_memory({to.data(), to.size()}).value();
    const auto peer = a.connect(b.address()).value();
    (void)b.connect(a.address());

    std::array<al::fabric::op, 16> ops;
    for (std::uint32_t i = 0; i < 16; ++i) {
        (void)a.write(peer, {&source, i * 1024, 1024}, {target.remote, i * 1024}, /*immediate=*/i, ops[i]);
    }
    std::uint32_t arrived = 0;
    while (arrived < 16 && world.step()) {
        count_immediates(a);
        arrived += count_immediates(b);
    }
    std::printf("seed %llu: %u of 16 arrived after %.2f virtual ms, all bytes %s\n",
                static_cast<unsigned long long>(seed), arrived, static_cast<double>(world.now().ns) / 1e6,
                from == to ? "right" : "wrong");
    return world.trace();
}
//! [scenario]

int main() {
    //! [twice]
    const bool same = al::sim::runs_identically(7, sixteen_writes);
    //! [twice]
    return same && !(sixteen_writes(8) == sixteen_writes(9)) ? EXIT_SUCCESS : EXIT_FAILURE;
}
