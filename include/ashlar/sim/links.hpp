// SPDX-License-Identifier: Apache-2.0
// What lies between endpoints: one link from each to each. A link carries its bytes one after another, at a rate; while
// it is cut, what would come out of it waits, as on a transport that keeps trying. The two directions of a pair are two
// links.
//
//     links wires(endpoints, 1'000'000'000);   instant out = wires.carry(a, b, 4096, now);   wires.cut(a, b);
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::sim {

class links {
public:
    // `bytes_per_second` 0: serialisation takes no time.
    links(std::uint32_t endpoints, std::uint64_t bytes_per_second)
        : endpoints_(endpoints), bytes_per_second_(bytes_per_second), all_(std::size_t{endpoints} * endpoints) {}

    // When the last of so many bytes has left, if they are queued now behind what is queued already.
    instant carry(std::uint32_t from, std::uint32_t to, std::size_t bytes, instant now) {
        if (bytes_per_second_ == 0) return now;
        instant& free_at = at(from, to).free_at;
        const auto ns = static_cast<unsigned __int128>(bytes) * 1'000'000'000 + (bytes_per_second_ - 1);
        free_at = (free_at < now ? now : free_at) + duration{static_cast<std::int64_t>(ns / bytes_per_second_)};
        return free_at;
    }

    void cut(std::uint32_t from, std::uint32_t to) { at(from, to).cut = true; }
    void heal(std::uint32_t from, std::uint32_t to) { at(from, to).cut = false; }
    bool is_cut(std::uint32_t from, std::uint32_t to) const { return all_[std::size_t{from} * endpoints_ + to].cut; }

private:
    struct link {
        instant free_at{};
        bool cut = false;
    };
    link& at(std::uint32_t from, std::uint32_t to) { return all_[std::size_t{from} * endpoints_ + to]; }

    std::uint32_t endpoints_;
    std::uint64_t bytes_per_second_;
    fixed_array<link> all_;
};

} // namespace ashlar::inline v0::sim
