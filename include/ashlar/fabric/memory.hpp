// SPDX-License-Identifier: Apache-2.0
// Memory that a network may touch. `memory` is what the caller owns and offers; a driver turns it into a `region`; the
// region's `remote` half, 24 bytes, is all that a peer needs in order to write there. Plain values, copied freely.
//
//     result<region> pool = net.register_memory({bytes.data(), bytes.size(), memory_kind::host});
//     byte_writer out(buffer);   put(out, pool->remote);        // hand it to the peer, by whatever road
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <ashlar/core/bytes.hpp>

namespace ashlar::inline v0::fabric {

enum class memory_kind : std::uint8_t {
    host,   // ordinary memory of this process
    device, // accelerator memory that the network reaches by itself
    staged, // accelerator memory that the driver copies through host memory
};

struct memory {
    std::byte* data = nullptr;
    std::size_t size = 0;
    memory_kind kind = memory_kind::host;
};

// What a peer needs in order to write. `base` and `key` mean something only to the driver that made them.
struct remote_region {
    std::uint64_t base = 0;
    std::uint64_t key = 0;
    std::uint64_t size = 0; // bytes
    friend constexpr bool operator==(const remote_region&, const remote_region&) = default;
};
static_assert(sizeof(remote_region) == 24 && std::is_trivially_copyable_v<remote_region>);

inline void put(byte_writer& out, const remote_region& r) { out.put(r.base), out.put(r.key), out.put(r.size); }

inline remote_region get_remote_region(byte_reader& in) {
    remote_region r;
    r.base = in.get<std::uint64_t>();
    r.key = in.get<std::uint64_t>();
    r.size = in.get<std::uint64_t>();
    return r;
}

// Registered memory of this process. Lives until deregister_memory or the end of its endpoint.
struct region {
    std::byte* data = nullptr;
    std::size_t size = 0;
    remote_region remote{};
    std::uint64_t handle = 0; // the driver's own
};

struct local_slice {
    const region* in = nullptr; // may be null when size is 0
    std::size_t offset = 0;     // bytes
    std::size_t size = 0;       // bytes
};

struct remote_slice {
    remote_region in{};
    std::size_t offset = 0; // bytes
};

// Whether `size` bytes at `offset` lie inside `whole` bytes, without overflow.
constexpr bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t whole) {
    return offset <= whole && size <= whole - offset;
}

// The bounds that a sender can check by itself before anything is posted.
constexpr bool in_bounds(const local_slice& from, const remote_slice& to) {
    const bool local = from.size == 0 || (from.in && fits(from.offset, from.size, from.in->size));
    return local && fits(to.offset, from.size, to.in.size);
}

} // namespace ashlar::inline v0::fabric
