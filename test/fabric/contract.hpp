// SPDX-License-Identifier: Apache-2.0
// The contract kit: what ashlar expects of a network, as tests that run unchanged over every driver, and over yours.
//
//     struct my_world {                                  // two endpoints that do not know each other yet
//         my_fabric& a();  my_fabric& b();
//         std::span<std::byte> memory(my_fabric&, std::size_t size);   // that this endpoint can register; zeroed
//         void kill_b();                                 // b goes away without a word
//         void idle();                                   // optional: called when both ends had nothing to do
//     };
//     TEST_CASE("mine keeps the contract") { ashlar::contract::run([] { return std::make_unique<my_world>(); }); }
#pragma once

#include <memory>
#include <type_traits>

#include "contract_events.hpp"
#include "contract_kit.hpp"
#include "contract_memory.hpp"
#include "contract_peers.hpp"
#include "contract_writes.hpp"

namespace ashlar::contract {

template <class MakeWorld>
void run(MakeWorld make) {
    using K = kit<std::remove_reference_t<decltype(*make())>>;
    memory_cases<K>(make);
    write_cases<K>(make);
    event_cases<K>(make);
    peer_cases<K>(make);
}

} // namespace ashlar::contract
