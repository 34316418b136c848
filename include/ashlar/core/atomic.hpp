// SPDX-License-Identifier: Apache-2.0
// One word that two processes or threads meet in: the __atomic builtins of gcc, clang and nvcc with their memory orders
// in the names, so that an order that an operation cannot have cannot be written. Two reasons not to use std::atomic:
// <atomic> alone preprocesses to 24,000 lines, and this type says what a word in shared memory needs: never a lock, the
// size and alignment of its value, zeroed bytes are a valid word.
//
//     atomic_u32 ready;   ready.store_release(1);      // one side, after it has written what the other shall find
//     if (ready.load_acquire()) ...                    // the other side, which then sees all of that
#pragma once

#include <concepts>
#include <cstdint>

namespace ashlar::inline v0 {

// May be used from several threads, and from several processes when it lies in memory that they share.
template <std::unsigned_integral T>
class atomic_word {
public:
    constexpr atomic_word() = default;
    constexpr explicit atomic_word(T value) : value_(value) {}
    atomic_word(const atomic_word&) = delete;
    atomic_word& operator=(const atomic_word&) = delete;

    T load_relaxed() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
    T load_acquire() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
    T load_seq_cst() const { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }

    void store_relaxed(T value) { __atomic_store_n(&value_, value, __ATOMIC_RELAXED); }
    void store_release(T value) { __atomic_store_n(&value_, value, __ATOMIC_RELEASE); }
    void store_seq_cst(T value) { __atomic_store_n(&value_, value, __ATOMIC_SEQ_CST); }

    // Modulo 2^bits; returns what was there before.
    T fetch_add_seq_cst(T value) { return __atomic_fetch_add(&value_, value, __ATOMIC_SEQ_CST); }

    // Writes `desired` if `expected` is there. False: something else is, and `expected` tells what (with acquire, too).
    bool compare_exchange_acq_rel(T& expected, T desired) {
        return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }

    // For a system call that looks at the word itself, such as futex(2).
    T* address() { return &value_; }

private:
    static_assert(__atomic_always_lock_free(sizeof(T), nullptr), "a lock in shared memory would outlive its holder");
    alignas(sizeof(T)) T value_{};
};

using atomic_u32 = atomic_word<std::uint32_t>;
using atomic_u64 = atomic_word<std::uint64_t>;
static_assert(sizeof(atomic_u32) == 4 && sizeof(atomic_u64) == 8);

} // namespace ashlar::inline v0
