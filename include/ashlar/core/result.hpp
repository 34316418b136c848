// SPDX-License-Identifier: Apache-2.0
// result<T>: a value, or the reason why there is none. The library throws nothing; whatever the environment can do
// to a call (a full queue, a dead peer, a forged ticket) comes back here, and the compiler warns when it is dropped.
//
//     result<region> r = net.register_memory(bytes);
//     if (!r) return r.error();
//     use(r.value());
//
// Own type because nvcc 13.0 stops at C++20: std::expected would differ between a .cpp and a .cu of one program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/config.hpp>

namespace ashlar::inline v0 {

// What happened, in the words a caller can act on.
enum class errc : std::uint16_t {
    invalid_argument, // the input breaks a stated rule
    out_of_range,     // an index or length lies outside
    exhausted,        // a stated limit is reached: blocks, slots, queue
    again,            // nothing was done; poll and call again
    not_found,
    unsupported,
    corrupt,  // checksum, magic or structure does not hold
    forged,   // authentication failed
    replayed, // a single-use thing was used before
    stale,    // epoch or generation has moved on
    expired,  // a lease or deadline has passed
    timed_out,
    peer_down,
    cancelled,
    closed,
    io, // the operating system or a provider says so: see os_code
};

// Who says so.
enum class origin : std::uint16_t { core, fabric, kv, kernel, model, sched, sim, ofi, app };

struct error {
    errc code = errc::invalid_argument;
    origin from = origin::core;
    std::int32_t os_code = 0; // errno or the provider's own number; 0 when there is none

    friend constexpr bool operator==(const error&, const error&) = default;
};

constexpr std::string_view to_string(errc code) {
    constexpr std::string_view names[] = {"invalid argument", "out of range", "exhausted", "try again",
                                          "not found",        "unsupported",  "corrupt",   "forged",
                                          "replayed",         "stale",        "expired",   "timed out",
                                          "peer is down",     "cancelled",    "closed",    "input/output error"};
    const auto index = static_cast<std::size_t>(code);
    return index < sizeof names / sizeof names[0] ? names[index] : std::string_view("unknown error");
}

constexpr std::string_view to_string(origin from) {
    constexpr std::string_view names[] = {"core", "fabric", "kv", "kernel", "model", "sched", "sim", "ofi", "app"};
    const auto index = static_cast<std::size_t>(from);
    return index < sizeof names / sizeof names[0] ? names[index] : std::string_view("unknown");
}

// Trivially copyable and destructible whenever T is. Thread-compatible.
template <class T>
class [[nodiscard]] result {
    static_assert(!std::is_reference_v<T>, "result<T&>: return a pointer instead");
    static_assert(!std::is_same_v<T, ashlar::error>, "result<error>: an error is never the value");
    static constexpr bool trivial_copy = std::is_trivially_copyable_v<T>;

public:
    using value_type = T;

    ASHLAR_HD_AS_T constexpr result(const T& value)
        requires std::is_copy_constructible_v<T>
        : value_(value), ok_(true) {}
    // nvcc moves `return local;` into this.
    ASHLAR_HD_AS_T constexpr result(T&& value) : value_(std::move(value)), ok_(true) {}
    ASHLAR_HD_AS_T constexpr result(ashlar::error fault) : error_(fault), ok_(false) {}
    ASHLAR_HD_AS_T constexpr result(errc code, origin from, std::int32_t os_code = 0)
        : result(ashlar::error{code, from, os_code}) {}

    constexpr result(const result&)
        requires trivial_copy
    = default;
    ASHLAR_HD_AS_T constexpr result(const result& other)
        requires(!trivial_copy)
        : ok_(other.ok_) {
        take(other);
    }
    constexpr result(result&&)
        requires trivial_copy
    = default;
    ASHLAR_HD_AS_T constexpr result(result&& other)
        requires(!trivial_copy)
        : ok_(other.ok_) {
        take(std::move(other));
    }
    constexpr result& operator=(const result&)
        requires trivial_copy
    = default;
    constexpr result& operator=(result&&)
        requires trivial_copy
    = default;
    ASHLAR_HD_AS_T constexpr result& operator=(const result& other)
        requires(!trivial_copy)
    {
        return *this = result(other);
    }
    ASHLAR_HD_AS_T constexpr result& operator=(result&& other)
        requires(!trivial_copy)
    {
        if (this == &other) return *this;
        destroy();
        ok_ = other.ok_;
        take(std::move(other));
        return *this;
    }
    constexpr ~result()
        requires std::is_trivially_destructible_v<T>
    = default;
    ASHLAR_HD_AS_T constexpr ~result()
        requires(!std::is_trivially_destructible_v<T>)
    {
        destroy();
    }

    ASHLAR_HD_AS_T constexpr explicit operator bool() const { return ok_; }
    ASHLAR_HD_AS_T constexpr bool has_value() const { return ok_; }

    ASHLAR_HD_AS_T constexpr T& value() & { return ASHLAR_ASSERT(ok_), value_; }
    ASHLAR_HD_AS_T constexpr const T& value() const& { return ASHLAR_ASSERT(ok_), value_; }
    ASHLAR_HD_AS_T constexpr T value() && { return ASHLAR_ASSERT(ok_), std::move(value_); }
    ASHLAR_HD_AS_T constexpr T& operator*() & { return value(); }
    ASHLAR_HD_AS_T constexpr const T& operator*() const& { return value(); }
    ASHLAR_HD_AS_T constexpr T* operator->() { return &value(); }
    ASHLAR_HD_AS_T constexpr const T* operator->() const { return &value(); }
    ASHLAR_HD_AS_T constexpr ashlar::error error() const { return ASHLAR_ASSERT(!ok_), error_; }

    ASHLAR_HD_AS_T constexpr T value_or(T other) const& { return ok_ ? value_ : std::move(other); }

private:
    template <class Other>
    ASHLAR_HD constexpr void take(Other&& other) {
        if (ok_)
            ::new (static_cast<void*>(&value_)) T(std::forward<Other>(other).value_);
        else
            ::new (static_cast<void*>(&error_)) ashlar::error(other.error_);
    }
    ASHLAR_HD_AS_T constexpr void destroy() {
        if (ok_) value_.~T();
    }

    union {
        T value_;
        ashlar::error error_;
    };
    bool ok_;
};

template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;

    constexpr result() = default;
    ASHLAR_HD constexpr result(ashlar::error fault) : error_(fault), ok_(false) {}
    ASHLAR_HD constexpr result(errc code, origin from, std::int32_t os_code = 0)
        : result(ashlar::error{code, from, os_code}) {}

    ASHLAR_HD constexpr explicit operator bool() const { return ok_; }
    ASHLAR_HD constexpr bool has_value() const { return ok_; }
    ASHLAR_HD constexpr void value() const { ASHLAR_ASSERT(ok_); }
    ASHLAR_HD constexpr ashlar::error error() const { return ASHLAR_ASSERT(!ok_), error_; }

private:
    ashlar::error error_{};
    bool ok_ = true;
};

} // namespace ashlar::inline v0
