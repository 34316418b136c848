// SPDX-License-Identifier: Apache-2.0
// expect: this type is no fabric: it lacks write(peer, local, remote, op&)
#include <ashlar/fabric/concepts.hpp>

using namespace ashlar;

// A driver whose author forgot that a write can carry a number.
struct mute {
    static constexpr bool computes_checksum = false;
    static constexpr std::size_t max_message = 64;
    result<fabric::region> register_memory(fabric::memory);
    result<void> deregister_memory(const fabric::region&);
    std::span<const std::byte> address() const;
    result<fabric::peer_id> connect(std::span<const std::byte>);
    fabric::peer_state state(fabric::peer_id) const;
    void disconnect(fabric::peer_id);
    std::size_t poll(std::span<fabric::completion>);
    result<void> write(fabric::peer_id, fabric::local_slice, fabric::remote_slice, fabric::op&);
    result<void> send(fabric::peer_id, std::span<const std::byte>, fabric::op&);
};

static_assert(fabric::check_fabric<mute>());
