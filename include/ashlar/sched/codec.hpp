// SPDX-License-Identifier: Apache-2.0
// How the scheduler's events and actions become bytes: a struct names its members once, in `fields`, and is written in
// that order, little-endian; a variant is its index in one byte, then the struct. An index never changes its meaning:
// new alternatives are appended, so that an old log stays readable.
//
//     byte_writer out(buffer);  sched::encode(out, event);
//     byte_reader in(bytes);    sched::event e;  if (!sched::decode(in, e)) return errc::corrupt;
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::sched {

template <class T>
concept described = requires { T::fields; };

namespace detail {

template <class T>
void put(byte_writer& out, const T& value) {
    if constexpr (std::same_as<T, bool>) {
        out.put(static_cast<std::uint8_t>(value));
    } else if constexpr (std::integral<T>) {
        out.put(value);
    } else if constexpr (std::is_enum_v<T>) {
        out.put(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (requires { value.ns; }) {
        out.put(value.ns);
    } else if constexpr (std::same_as<T, ashlar::error>) {
        put(out, value.code), put(out, value.from), put(out, value.os_code);
    } else {
        out.put(value.value); // a strong id
    }
}

template <class T>
void take(byte_reader& in, T& value) {
    if constexpr (std::same_as<T, bool>) {
        value = in.get<std::uint8_t>() != 0;
    } else if constexpr (std::integral<T>) {
        value = in.get<T>();
    } else if constexpr (std::is_enum_v<T>) {
        value = static_cast<T>(in.get<std::underlying_type_t<T>>());
    } else if constexpr (requires { value.ns; }) {
        value.ns = in.get<std::int64_t>();
    } else if constexpr (std::same_as<T, ashlar::error>) {
        take(in, value.code), take(in, value.from), take(in, value.os_code);
    } else {
        value.value = in.get<typename T::rep>();
    }
}

template <class T>
constexpr std::size_t size_of(const T&) {
    if constexpr (std::same_as<T, ashlar::error>)
        return 2 + 2 + 4;
    else
        return sizeof(T); // ids, units, enums and integers are exactly their number
}

} // namespace detail

template <described T>
constexpr std::size_t encoded_size(const T& value) {
    return std::apply([&](auto... member) { return (std::size_t{0} + ... + detail::size_of(value.*member)); },
                      T::fields);
}

template <described... T>
std::size_t encoded_size(const std::variant<T...>& value) {
    return 1 + std::visit([](const auto& alternative) { return encoded_size(alternative); }, value);
}

template <described T>
void encode(byte_writer& out, const T& value) {
    std::apply([&](auto... member) { (detail::put(out, value.*member), ...); }, T::fields);
}

template <described T>
bool decode(byte_reader& in, T& value) {
    std::apply([&](auto... member) { (detail::take(in, value.*member), ...); }, T::fields);
    return in.ok();
}

template <described... T>
void encode(byte_writer& out, const std::variant<T...>& value) {
    out.put(static_cast<std::uint8_t>(value.index()));
    std::visit([&](const auto& alternative) { encode(out, alternative); }, value);
}

// False when the index is unknown or the bytes end early; then `value` means nothing.
template <described... T>
bool decode(byte_reader& in, std::variant<T...>& value) {
    const auto index = in.get<std::uint8_t>();
    return in.ok() && [&]<std::size_t... I>(std::index_sequence<I...>) {
        return ((index == I && decode(in, value.template emplace<I>())) || ...);
    }(std::index_sequence_for<T...>{});
}

} // namespace ashlar::inline v0::sched
