// SPDX-License-Identifier: Apache-2.0
// How frames become bytes and bytes frames: a variant's index is the kind, and each alternative's `fields` say what of
// it travels, in which order. Whatever bytes come, `decode` ends with a frame or with false.
//
//     wire::append(bytes, frame);   wire::splitter in;   in.add(bytes);   in.next(body);   wire::decode(body, frame);
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/event.hpp>

namespace serve::wire {

namespace al = ashlar;

inline constexpr std::size_t frame_bytes_max = 16 << 20;

namespace detail {

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
concept described = requires { T::fields; };
template <class T>
concept id = requires(T t) {
    typename T::rep;
    t.value;
};

class sink {
public:
    explicit sink(std::vector<std::byte>& to) : to_(to) {}
    void raw(const void* from, std::size_t size) {
        const auto* bytes = static_cast<const std::byte*>(from);
        to_.insert(to_.end(), bytes, bytes + size);
    }
    template <class T>
    void put(const T& value) {
        if constexpr (std::is_same_v<T, bool>)
            put(static_cast<std::uint8_t>(value));
        else if constexpr (std::is_integral_v<T> || std::is_floating_point_v<T> || std::is_same_v<T, std::byte>)
            raw(&value, sizeof value);
        else if constexpr (std::is_enum_v<T>)
            put(static_cast<std::underlying_type_t<T>>(value));
        else if constexpr (id<T>)
            put(value.value);
        else if constexpr (std::is_same_v<T, al::digest128>)
            put(value.lo), put(value.hi);
        else if constexpr (std::is_same_v<T, al::error>)
            put(value.code), put(value.from), put(value.os_code);
        else if constexpr (std::is_same_v<T, std::string>) {
            put(static_cast<std::uint32_t>(value.size()));
            raw(value.data(), value.size());
        } else if constexpr (is_vector<T>::value) {
            put(static_cast<std::uint32_t>(value.size()));
            if constexpr (std::is_arithmetic_v<typename T::value_type> ||
                          std::is_same_v<typename T::value_type, std::byte>)
                raw(value.data(), value.size() * sizeof(typename T::value_type));
            else
                for (const auto& each : value) put(each);
        } else {
            static_assert(described<T>);
            std::apply([&](auto... member) { (put(value.*member), ...); }, T::fields);
        }
    }

private:
    std::vector<std::byte>& to_;
};

class source {
public:
    explicit source(std::span<const std::byte> from) : in_(from) {}
    bool done() const { return valid_ && in_.done(); }
    template <class T>
    void take(T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            const auto byte = in_.get<std::uint8_t>();
            valid_ = valid_ && byte <= 1;
            value = byte == 1;
        } else if constexpr (std::is_integral_v<T>)
            value = in_.get<T>();
        else if constexpr (std::is_same_v<T, float>)
            value = std::bit_cast<float>(in_.get<std::uint32_t>());
        else if constexpr (std::is_same_v<T, std::byte>)
            value = std::byte{in_.get<std::uint8_t>()};
        else if constexpr (std::is_enum_v<T>) {
            value = static_cast<T>(in_.get<std::underlying_type_t<T>>());
            valid_ = valid_ && known(value);
        } else if constexpr (id<T>)
            take(value.value);
        else if constexpr (std::is_same_v<T, al::digest128>)
            take(value.lo), take(value.hi);
        else if constexpr (std::is_same_v<T, al::error>)
            take(value.code), take(value.from), take(value.os_code);
        else if constexpr (std::is_same_v<T, std::string>) {
            const auto bytes = in_.take(in_.get<std::uint32_t>());
            value.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        } else if constexpr (is_vector<T>::value) {
            using element = typename T::value_type;
            const std::size_t count = in_.get<std::uint32_t>();
            value.clear();
            if constexpr (std::is_arithmetic_v<element> || std::is_same_v<element, std::byte>) {
                const auto bytes = in_.take(count * sizeof(element));
                value.resize(bytes.size() / sizeof(element));
                if (!bytes.empty()) std::memcpy(value.data(), bytes.data(), bytes.size());
            } else {
                // An element takes a byte at least, so a lying count ends with the frame's bytes.
                for (std::size_t i = 0; i < count && in_.ok() && valid_; ++i) take(value.emplace_back());
            }
        } else {
            static_assert(described<T>);
            std::apply([&](auto... member) { (take(value.*member), ...); }, T::fields);
        }
    }

private:
    static bool known(al::sched::role r) { return r <= al::sched::role::unified; }
    static bool known(al::sched::item_kind k) { return k <= al::sched::item_kind::decode; }
    static bool known(al::errc c) { return c <= al::errc::io; }
    static bool known(al::origin o) { return o <= al::origin::app; }

    al::byte_reader in_;
    bool valid_ = true;
};

} // namespace detail

// Appends the whole frame, size and all. Everything that is sent is smaller than frame_bytes_max by construction.
template <class... T>
void append(std::vector<std::byte>& to, const std::variant<T...>& frame) {
    const std::size_t start = to.size();
    detail::sink out(to);
    out.put(std::uint32_t{0});
    out.put(static_cast<std::uint8_t>(frame.index()));
    std::visit([&](const auto& body) { out.put(body); }, frame);
    const auto size = static_cast<std::uint32_t>(to.size() - start - sizeof(std::uint32_t));
    std::memcpy(to.data() + start, &size, sizeof size);
}

// `body`: what follows the size. False when anything is wrong with it.
template <class... T>
bool decode(std::span<const std::byte> body, std::variant<T...>& frame) {
    if (body.empty()) return false;
    const auto index = std::to_integer<std::size_t>(body[0]);
    detail::source in(body.subspan(1));
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return ((index == I && (in.take(frame.template emplace<I>()), in.done())) || ...);
    }(std::index_sequence_for<T...>{});
}

// Cuts a stream of bytes into frame bodies.
class splitter {
public:
    enum class outcome { frame, more, broken };

    void add(std::span<const std::byte> bytes) {
        if (at_ > 0 && at_ == bytes_.size())
            bytes_.clear(), at_ = 0;
        else if (at_ > 1 << 20)
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_)), at_ = 0;
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void take_at_most(std::size_t frame_bytes) { most_ = frame_bytes; } // a longer one breaks the stream
    // The next body, valid until the next `add`.
    outcome next(std::span<const std::byte>& body) {
        const std::span<const std::byte> rest = std::span<const std::byte>(bytes_).subspan(at_);
        al::byte_reader in(rest);
        const std::size_t size = in.get<std::uint32_t>();
        if (!in.ok()) return outcome::more;
        if (size == 0 || size > most_) return outcome::broken;
        if (in.left() < size) return outcome::more;
        body = in.take(size);
        at_ += sizeof(std::uint32_t) + size;
        return outcome::frame;
    }

private:
    std::vector<std::byte> bytes_;
    std::size_t at_ = 0, most_ = frame_bytes_max;
};

} // namespace serve::wire
