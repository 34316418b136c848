// SPDX-License-Identifier: Apache-2.0
// Containers that never grow behind one's back. `fixed_array` allocates once, in its constructor; the others stand on
// it or inside themselves. Reaching a limit is a return value, so that the caller decides what a full queue means.
//
//     bounded_vector<op> ops(64);   if (!ops.push_back(o)) return errc::exhausted;
//     ring<event> queue(256);       queue.push(e); queue.pop();
//     id_table<std::uint64_t, state> by_id(1024);   // open addressing; not iterable, so that no policy depends on
//     order
//
// Move-only. Not for use from several threads.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/random.hpp>

namespace ashlar::inline v0 {

template <class T>
class fixed_array {
public:
    fixed_array() = default;
    explicit fixed_array(std::size_t size) : data_(size ? new T[size]{} : nullptr), size_(size) {}
    fixed_array(fixed_array&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    fixed_array& operator=(fixed_array other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~fixed_array() { delete[] data_; }

    std::size_t size() const { return size_; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    T* begin() { return data_; }
    T* end() { return data_ + size_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + size_; }
    T& operator[](std::size_t i) { return ASHLAR_ASSERT(i < size_), data_[i]; }
    const T& operator[](std::size_t i) const { return ASHLAR_ASSERT(i < size_), data_[i]; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

// A vector whose capacity is set once.
template <class T>
class bounded_vector {
public:
    bounded_vector() = default;
    explicit bounded_vector(std::size_t capacity) : items_(capacity) {}

    std::size_t size() const { return size_; }
    std::size_t capacity() const { return items_.size(); }
    bool empty() const { return size_ == 0; }
    bool full() const { return size_ == items_.size(); }
    T* begin() { return items_.begin(); }
    T* end() { return items_.begin() + size_; }
    const T* begin() const { return items_.begin(); }
    const T* end() const { return items_.begin() + size_; }
    T* data() { return items_.data(); }
    const T* data() const { return items_.data(); }
    T& operator[](std::size_t i) { return ASHLAR_ASSERT(i < size_), items_.data()[i]; }
    const T& operator[](std::size_t i) const { return ASHLAR_ASSERT(i < size_), items_.data()[i]; }
    T& back() { return (*this)[size_ - 1]; }
    operator std::span<const T>() const { return {data(), size_}; }

    // False when full; then nothing has changed.
    [[nodiscard]] bool push_back(T item) {
        if (full()) return false;
        items_.data()[size_++] = std::move(item);
        return true;
    }
    void pop_back() { ASHLAR_ASSERT(size_ > 0), --size_; }
    void clear() { size_ = 0; }
    // Keeps the order of what stays.
    void erase(std::size_t i) {
        ASHLAR_ASSERT(i < size_);
        for (; i + 1 < size_; ++i) (*this)[i] = std::move((*this)[i + 1]);
        --size_;
    }

private:
    fixed_array<T> items_;
    std::size_t size_ = 0;
};

// The same with the capacity in the type and the items inside: trivially copyable when T is.
template <class T, std::size_t Capacity>
class fixed_vector {
public:
    constexpr std::size_t size() const { return size_; }
    static constexpr std::size_t capacity() { return Capacity; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr bool full() const { return size_ == Capacity; }
    constexpr T* begin() { return items_.data(); }
    constexpr T* end() { return items_.data() + size_; }
    constexpr const T* begin() const { return items_.data(); }
    constexpr const T* end() const { return items_.data() + size_; }
    constexpr const T* data() const { return items_.data(); }
    constexpr T& operator[](std::size_t i) { return ASHLAR_ASSERT(i < size_), items_[i]; }
    constexpr const T& operator[](std::size_t i) const { return ASHLAR_ASSERT(i < size_), items_[i]; }
    constexpr operator std::span<const T>() const { return {items_.data(), size_}; }

    [[nodiscard]] constexpr bool push_back(T item) {
        if (full()) return false;
        items_[size_++] = std::move(item);
        return true;
    }
    constexpr void pop_back() { ASHLAR_ASSERT(size_ > 0), --size_; }
    constexpr void clear() { size_ = 0; }
    constexpr void erase(std::size_t i) {
        ASHLAR_ASSERT(i < size_);
        for (; i + 1 < size_; ++i) (*this)[i] = std::move((*this)[i + 1]);
        --size_;
    }

private:
    std::array<T, Capacity> items_{};
    std::size_t size_ = 0;
};

// First in, first out.
template <class T>
class ring {
public:
    ring() = default;
    explicit ring(std::size_t capacity) : items_(capacity) {}

    std::size_t size() const { return size_; }
    std::size_t capacity() const { return items_.size(); }
    bool empty() const { return size_ == 0; }
    bool full() const { return size_ == items_.size(); }
    T& front() { return (*this)[0]; }
    // i-th from the front.
    T& operator[](std::size_t i) { return ASHLAR_ASSERT(i < size_), items_[(head_ + i) % items_.size()]; }
    const T& operator[](std::size_t i) const { return ASHLAR_ASSERT(i < size_), items_[(head_ + i) % items_.size()]; }

    [[nodiscard]] bool push(T item) {
        if (full()) return false;
        items_[(head_ + size_++) % items_.size()] = std::move(item);
        return true;
    }
    T pop() {
        ASHLAR_ASSERT(size_ > 0);
        T item = std::move(items_[head_]);
        head_ = (head_ + 1) % items_.size();
        --size_;
        return item;
    }
    void clear() { head_ = size_ = 0; }

private:
    fixed_array<T> items_;
    std::size_t head_ = 0;
    std::size_t size_ = 0;
};

// A map from integer keys to values with a fixed number of entries. Linear probing, at most half full.
template <class Key, class Value>
class id_table {
public:
    id_table() = default;
    explicit id_table(std::size_t capacity)
        : slots_(std::bit_ceil(capacity < 4 ? std::size_t{8} : capacity * 2)), capacity_(capacity) {}

    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }

    Value* find(Key key) {
        for (std::size_t i = home(key);; i = next(i)) {
            if (!slots_[i].used) return nullptr;
            if (slots_[i].key == key) return &slots_[i].value;
        }
    }
    const Value* find(Key key) const { return const_cast<id_table*>(this)->find(key); }

    // Null when full or when the key is there already.
    [[nodiscard]] Value* insert(Key key, Value value) {
        if (size_ == capacity_) return nullptr;
        std::size_t i = home(key);
        for (; slots_[i].used; i = next(i)) {
            if (slots_[i].key == key) return nullptr;
        }
        slots_[i] = {key, std::move(value), true};
        ++size_;
        return &slots_[i].value;
    }

    bool erase(Key key) {
        std::size_t hole = home(key);
        for (;; hole = next(hole)) {
            if (!slots_[hole].used) return false;
            if (slots_[hole].key == key) break;
        }
        // Close the gap: an entry moves back when its home does not lie between the hole and itself.
        for (std::size_t i = next(hole); slots_[i].used; i = next(i)) {
            const std::size_t want = home(slots_[i].key);
            if (((i - want) & mask()) >= ((i - hole) & mask())) {
                slots_[hole] = std::move(slots_[i]);
                hole = i;
            }
        }
        slots_[hole] = {};
        --size_;
        return true;
    }

private:
    struct slot {
        Key key{};
        Value value{};
        bool used = false;
    };
    std::size_t mask() const { return slots_.size() - 1; }
    std::size_t home(Key key) const { return static_cast<std::size_t>(mix(static_cast<std::uint64_t>(key))) & mask(); }
    std::size_t next(std::size_t i) const { return (i + 1) & mask(); }

    fixed_array<slot> slots_;
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
};

} // namespace ashlar::inline v0
