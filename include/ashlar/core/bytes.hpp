// SPDX-License-Identifier: Apache-2.0
// Wire bytes: little-endian writing and checked reading. A reader that runs past the end turns `ok()` false and yields
// zeros from then on, so that a parser checks once, at its end.
//
//     byte_writer out(buffer);  out.put(std::uint32_t{7});   out.ok();  out.written();
//     byte_reader in(bytes);    auto n = in.get<std::uint32_t>();   if (!in.done()) return errc::corrupt;
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ashlar::inline v0 {

static_assert(std::endian::native == std::endian::little,
              "ashlar's wire formats are little-endian, as are its machines");

class byte_writer {
public:
    explicit byte_writer(std::span<std::byte> to) : to_(to) {}

    template <std::integral T>
    void put(T value) {
        copy(&value, sizeof value);
    }
    void put(std::span<const std::byte> bytes) { copy(bytes.data(), bytes.size()); }

    bool ok() const { return ok_; }
    std::size_t size() const { return at_; }
    std::span<const std::byte> written() const { return to_.first(at_); }

private:
    void copy(const void* from, std::size_t size) {
        if (!ok_ || size > to_.size() - at_) {
            ok_ = false;
            return;
        }
        if (size) std::memcpy(to_.data() + at_, from, size);
        at_ += size;
    }

    std::span<std::byte> to_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

class byte_reader {
public:
    explicit byte_reader(std::span<const std::byte> from) : from_(from) {}

    template <std::integral T>
    T get() {
        T value{};
        const auto bytes = take(sizeof value);
        if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
    // The next `size` bytes, in place; empty when there are not as many.
    std::span<const std::byte> take(std::size_t size) {
        if (!ok_ || size > left()) {
            ok_ = false;
            return {};
        }
        at_ += size;
        return from_.subspan(at_ - size, size);
    }

    bool ok() const { return ok_; }
    bool done() const { return ok_ && left() == 0; }
    std::size_t left() const { return from_.size() - at_; }

private:
    std::span<const std::byte> from_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

} // namespace ashlar::inline v0
