// SPDX-License-Identifier: Apache-2.0
// How much memory the values of templates may hold at a time. Their lists, maps and texts count themselves as they are
// allocated, in the scope that their thread is in; what would go beyond its limit is a fault instead.
//
//     const memory_scope scope(64 << 20);      // from here on; an inner scope has no more than is left
//     list all(1'000'000);                     // or throws a fault of errc::exhausted that names the limit
//
// Outside of every scope nothing is counted. What was allocated there is not to be freed in one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <support/outcome.hpp>

namespace ashlar::support::jinja {

class memory_scope {
public:
    explicit memory_scope(std::size_t bytes)
        : limit_(bytes), outer_(current_), all_(static_cast<std::int64_t>(bytes)), left_(all_) {
        if (outer_ && outer_->left_ < all_) limit_ = outer_->limit_, all_ = left_ = outer_->left_;
        current_ = this;
    }
    ~memory_scope() {
        if (outer_) outer_->left_ -= all_ - left_; // what outlives this one
        current_ = outer_;
    }
    memory_scope(const memory_scope&) = delete;
    memory_scope& operator=(const memory_scope&) = delete;

    static void take(std::size_t bytes) {
        if (!current_) return;
        if (held(bytes) > current_->left_)
            throw make_fault(errc::exhausted, "the conversation takes more than " + std::to_string(current_->limit_) +
                                                  " bytes of memory to write out");
        current_->left_ -= held(bytes);
    }
    static void give(std::size_t bytes) noexcept {
        if (current_) current_->left_ += held(bytes);
    }

private:
    // As glibc does: a word beside, units of 16 bytes, 32 at least.
    static std::int64_t held(std::size_t bytes) {
        return static_cast<std::int64_t>(std::max((bytes + 8 + 15) & ~std::size_t{15}, std::size_t{32}));
    }

    static inline constinit thread_local memory_scope* current_ = nullptr;
    std::size_t limit_;
    memory_scope* outer_;
    std::int64_t all_, left_;
};

template <class T>
struct counted {
    using value_type = T;
    counted() = default;
    template <class U>
    counted(const counted<U>&) noexcept {}

    T* allocate(std::size_t n) {
        memory_scope::take(n * sizeof(T));
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* at, std::size_t n) noexcept {
        std::allocator<T>().deallocate(at, n);
        memory_scope::give(n * sizeof(T));
    }
    template <class U>
    bool operator==(const counted<U>&) const {
        return true;
    }
};

using counted_text = std::basic_string<char, std::char_traits<char>, counted<char>>;

} // namespace ashlar::support::jinja
