// SPDX-License-Identifier: Apache-2.0
// What a window owns and shows: memory that others can map, and the table in which they find what is registered of it.
//
//     window_memory mine(64, control_block);   auto bytes = mine.allocate(1 << 20);   auto r = mine.publish({...});
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/fabric/shared_memory.hpp>
#include <ashlar/fabric/window_layout.hpp>
#include <ashlar/fabric/window_link.hpp>

namespace ashlar::inline v0::fabric {

// Not for use from several threads.
class window_memory {
public:
    // `block`: the control block, mapped as long as this lives.
    window_memory(std::uint32_t regions, std::byte* block) : keys_(regions), block_(block) {}

    result<std::span<std::byte>> allocate(std::size_t size) {
        if (size == 0) return fail(errc::invalid_argument);
        for (allocation& a : allocations_) {
            if (a.memory) continue;
            auto made = shared_memory::create(size);
            if (!made) return made.error();
            a = {std::move(*made), ++serial_};
            return std::span(a.memory.data(), size);
        }
        return fail(errc::exhausted);
    }
    // With the registrations inside.
    result<void> free(std::span<std::byte> bytes) {
        for (allocation& a : allocations_) {
            if (!a.memory || a.memory.data() != bytes.data()) continue;
            for (std::size_t i = 0; i < keys_.size(); ++i) {
                if (keys_[i].key && keys_[i].serial == a.serial) drop(i);
            }
            a = {};
            return {};
        }
        return fail(errc::not_found);
    }

    // unsupported: not inside one of ours.
    result<region> publish(memory m) {
        for (std::size_t slot = 0; slot < allocations_.size(); ++slot) {
            const allocation& a = allocations_[slot];
            const auto offset =
                reinterpret_cast<std::uintptr_t>(m.data) - reinterpret_cast<std::uintptr_t>(a.memory.data());
            if (a.memory && fits(offset, m.size, a.memory.size())) return publish(m, slot, offset);
        }
        return fail(errc::unsupported);
    }
    result<void> withdraw(const region& r) {
        const std::size_t i = r.remote.key & 0xffff;
        if (r.remote.key == 0 || i >= keys_.size() || keys_[i].key != r.remote.key) return fail(errc::not_found);
        return drop(i), result<void>{};
    }

private:
    struct allocation {
        shared_memory memory;
        std::uint64_t serial = 0;
    };
    struct published {
        std::uint64_t key = 0;
        std::uint64_t serial = 0;
    };

    static error fail(errc code) { return {code, origin::fabric}; }

    // The key last: whoever finds it finds the rest. See window_link::resolve.
    result<region> publish(memory m, std::size_t slot, std::size_t offset) {
        for (std::size_t i = 0; i < keys_.size(); ++i) {
            if (keys_[i].key) continue;
            const allocation& a = allocations_[slot];
            keys_[i] = {++serial_ << 16 | i, a.serial};
            window_region& entry = window_layout::region(block_, i);
            entry.offset.store_release(offset);
            entry.size.store_release(m.size);
            entry.file_size.store_release(a.memory.size());
            entry.file.store_release(std::uint64_t{slot} << 32 | static_cast<std::uint32_t>(a.memory.descriptor()));
            entry.serial.store_release(a.serial);
            entry.key.store_release(keys_[i].key);
            return region{m.data, m.size, {0, keys_[i].key, m.size}, i};
        }
        return fail(errc::exhausted);
    }
    void drop(std::size_t i) {
        window_layout::region(block_, i).key.store_seq_cst(0);
        keys_[i] = {};
    }

    std::array<allocation, window_allocations> allocations_{};
    fixed_array<published> keys_;
    std::byte* block_;
    std::uint64_t serial_ = 0;
};

} // namespace ashlar::inline v0::fabric
