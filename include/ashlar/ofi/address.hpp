// SPDX-License-Identifier: Apache-2.0
// What an endpoint tells about itself: its incarnation, its provider's name, and the provider's own address. Two ends
// with different providers cannot talk, and the name is there so that they are told so instead of timing out.
//
//     address_blob mine = ...;   auto theirs = address_blob::parse(bytes);   theirs->provider(), theirs->name()
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::ofi {

class address_blob {
public:
    static constexpr std::uint32_t magic = 0x69666f61; // "aofi"
    static constexpr std::size_t room = 512;           // bytes

    static result<address_blob> make(std::uint64_t incarnation, std::string_view provider,
                                     std::span<const std::byte> name) {
        address_blob a;
        byte_writer out(a.bytes_);
        out.put(magic), out.put(incarnation);
        out.put(static_cast<std::uint16_t>(provider.size())), out.put(static_cast<std::uint16_t>(name.size()));
        out.put({reinterpret_cast<const std::byte*>(provider.data()), provider.size()});
        out.put(name);
        if (!out.ok()) return {errc::out_of_range, origin::ofi};
        return parse(out.written());
    }
    static result<address_blob> parse(std::span<const std::byte> bytes) {
        byte_reader in(bytes);
        const bool ours = in.get<std::uint32_t>() == magic;
        address_blob a;
        a.incarnation_ = in.get<std::uint64_t>();
        a.provider_size_ = in.get<std::uint16_t>();
        a.name_size_ = in.get<std::uint16_t>();
        in.take(a.provider_size_);
        in.take(a.name_size_);
        if (!in.done() || !ours || bytes.size() > room || a.name_size_ == 0 || a.incarnation_ == 0) {
            return {errc::invalid_argument, origin::ofi};
        }
        std::memcpy(a.bytes_.data(), bytes.data(), bytes.size());
        a.size_ = bytes.size();
        return a;
    }

    std::span<const std::byte> bytes() const { return {bytes_.data(), size_}; }
    std::uint64_t incarnation() const { return incarnation_; }
    std::string_view provider() const { return {reinterpret_cast<const char*>(bytes_.data()) + 16, provider_size_}; }
    const std::byte* name() const { return bytes_.data() + 16 + provider_size_; }

private:
    std::array<std::byte, room> bytes_{};
    std::size_t size_ = 0;
    std::uint64_t incarnation_ = 0;
    std::uint16_t provider_size_ = 0, name_size_ = 0;
};

} // namespace ashlar::inline v0::ofi
