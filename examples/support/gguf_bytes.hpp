// SPDX-License-Identifier: Apache-2.0
// How GGUF writes numbers, for the source files that read them: sizes, names and unaligned loads. Little-endian.
#pragma once

#include <bit>
#include <cstring>
#include <string>

#include <support/gguf.hpp>

static_assert(std::endian::native == std::endian::little,
              "GGUF numbers are read in place: little-endian machines only");

namespace ashlar::support::gguf_bytes {

using kind = gguf::kind;

// Bytes of one element of a number; 0 for what has no fixed size.
constexpr std::uint64_t size_of(kind type) {
    switch (type) {
    case kind::u8:
    case kind::i8:
    case kind::boolean:
        return 1;
    case kind::u16:
    case kind::i16:
        return 2;
    case kind::u32:
    case kind::i32:
    case kind::f32:
        return 4;
    case kind::u64:
    case kind::i64:
    case kind::f64:
        return 8;
    case kind::string:
    case kind::array:
        return 0;
    }
    return 0;
}

// The least that one element takes in the file: it bounds every count by the bytes that are left.
constexpr std::uint64_t least_size_of(kind type) {
    return type == kind::string ? 8 : type == kind::array ? 12 : size_of(type);
}

constexpr std::string_view name_of(kind type) {
    constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                          "bool", "string", "array", "u64", "i64", "f64"};
    return names[static_cast<std::size_t>(type)];
}

inline std::string at(std::uint64_t offset) { return " (at byte " + std::to_string(offset) + ")"; }

template <class T>
T load(std::span<const std::byte> bytes, std::uint64_t offset) {
    T out;
    std::memcpy(&out, bytes.data() + offset, sizeof out);
    return out;
}

// Calls take(x) with the number of type `type` at `offset`, as its own C++ type.
template <class Take>
void visit_number(std::span<const std::byte> bytes, kind type, std::uint64_t offset, Take&& take) {
    switch (type) {
    case kind::u8:
        return take(load<std::uint8_t>(bytes, offset));
    case kind::i8:
        return take(load<std::int8_t>(bytes, offset));
    case kind::u16:
        return take(load<std::uint16_t>(bytes, offset));
    case kind::i16:
        return take(load<std::int16_t>(bytes, offset));
    case kind::u32:
        return take(load<std::uint32_t>(bytes, offset));
    case kind::i32:
        return take(load<std::int32_t>(bytes, offset));
    case kind::u64:
        return take(load<std::uint64_t>(bytes, offset));
    case kind::i64:
        return take(load<std::int64_t>(bytes, offset));
    case kind::f32:
        return take(load<float>(bytes, offset));
    case kind::f64:
        return take(load<double>(bytes, offset));
    case kind::boolean:
    case kind::string:
    case kind::array:
        return;
    }
}

} // namespace ashlar::support::gguf_bytes
