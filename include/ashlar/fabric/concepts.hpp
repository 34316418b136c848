// SPDX-License-Identifier: Apache-2.0
// What a network is, to everything above: register memory, know peers, write with a number that the target is told,
// send small messages, poll. Ask for the narrowest concept; an entry point calls check_fabric, so that a driver that
// lacks something is refused with a sentence.
//
//     template <class Fabric> class mover { static_assert(fabric::check_fabric<Fabric>()); ... };
//
// What every driver promises, and test/fabric/contract.hpp checks:
//   * No call blocks except `wait`. Posting returns errc::again when a queue is full: nothing happened; poll, retry.
//   * A write goes out of bounds, to an unknown peer or key: refused as a value, or its op fails; never memory damage.
//   * Every posted op gets exactly one completion, also when its peer dies or is disconnected.
//   * No order between writes, nor between a write and a message: receivers count immediates. Messages of one peer are
//     reliable and in order on real drivers; the simulator may lose, repeat and reorder them.
//   * Inbound writes progress only while the target polls.
//   * Both sides connect to each other before traffic flows.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/fabric/op.hpp>

namespace ashlar::inline v0::fabric {

template <class F>
concept registrar = requires(F f, memory m, const region& r) {
    { f.register_memory(m) } -> std::same_as<result<region>>;
    { f.deregister_memory(r) } -> std::same_as<result<void>>; // not_found: not registered (any more)
};

// address() is opaque; the edge carries it. A peer's address connects it; after peer_down, disconnect and connect anew.
template <class F>
concept connectable = requires(F f, const F& c, std::span<const std::byte> address, peer_id peer) {
    { c.address() } -> std::convertible_to<std::span<const std::byte>>;
    { f.connect(address) } -> std::same_as<result<peer_id>>;
    { c.state(peer) } -> std::same_as<peer_state>;
    f.disconnect(peer); // its pending ops complete as failed at the following polls
};

template <class F>
concept pollable = requires(F f, std::span<completion> out) {
    { f.poll(out) } -> std::same_as<std::size_t>; // never blocks, bounded; how many of `out` were filled
};

template <class F>
concept writable = requires(F f, peer_id p, local_slice from, remote_slice to, std::uint32_t immediate, op& o) {
    { f.write(p, from, to, o) } -> std::same_as<result<void>>;
    { f.write(p, from, to, immediate, o) } -> std::same_as<result<void>>; // size 0 is fine: only the number travels
    { bool(F::computes_checksum) };
};

template <class F>
concept messaging = requires(F f, peer_id p, std::span<const std::byte> message, op& o) {
    { f.send(p, message, o) } -> std::same_as<result<void>>; // 1 to max_message bytes; may be reused on return
    { std::size_t{F::max_message} };
};

template <class F>
concept endpoint = registrar<F> && connectable<F> && pollable<F>;

template <class F>
concept fabric = endpoint<F> && writable<F> && messaging<F>;

// Reads a peer's memory into `to`.
template <class F>
concept readable = fabric<F> && requires(F f, peer_id p, local_slice to, remote_slice from, op& o) {
    { f.read(p, to, from, o) } -> std::same_as<result<void>>;
};

// Whoever is reported down touches our memory no more: what it was lent can be lent to others. A driver that cannot
// promise it (a provider may give up a peer that lives, and land what was under way) leaves that to whoever supervises
// the processes.
template <class F>
concept final_in_death = requires { requires bool(F::down_is_final); };

// Blocks until something may be there to poll, at most for `max`. False: `max` has passed. May wake for nothing.
template <class F>
concept waitable = requires(F f, duration max) {
    { f.wait(max) } -> std::same_as<bool>;
};

// True, or a sentence about what F lacks.
template <class F>
consteval bool check_fabric() {
    static_assert(registrar<F>, "ashlar: this type is no fabric: it lacks register_memory(memory) -> result<region> or "
                                "deregister_memory(const region&) -> result<void>");
    static_assert(connectable<F>, "ashlar: this type is no fabric: it lacks address(), connect(address) -> "
                                  "result<peer_id>, state(peer) -> peer_state (const) or disconnect(peer)");
    static_assert(pollable<F>, "ashlar: this type is no fabric: it lacks poll(span<completion>) -> size_t");
    static_assert(writable<F>,
                  "ashlar: this type is no fabric: it lacks write(peer, local, remote, op&), the same with "
                  "an immediate before op&, each -> result<void>, or static computes_checksum");
    static_assert(messaging<F>, "ashlar: this type is no fabric: it lacks send(peer, message, op&) -> result<void> or "
                                "static max_message");
    return fabric<F>;
}

} // namespace ashlar::inline v0::fabric
