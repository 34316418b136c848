// SPDX-License-Identifier: Apache-2.0
// Pages by runs. The free pages are a bitmap; above it stands a tree whose nodes know their longest free run and the
// free runs at both edges, so that "the first run of n" and "the longest run" are found in O(log pages). A request gets
// one run when there is one, else the longest ones, which is the smallest number of runs that can hold it.
//
//     allocator pages(4096);   block_table table(storage);
//     if (!pages.allocate(20, table)) ...   // errc::exhausted: nothing was taken
//     pages.release({7, 3});
//
// Ties go to the lowest page. One thread at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/kv/block_table.hpp>

namespace ashlar::inline v0::kv {

class allocator {
public:
    allocator() = default;
    explicit allocator(std::uint32_t pages)
        : pages_(pages), words_(std::bit_ceil(pages < 64 ? std::uint32_t{1} : (pages + 63) / 64)), free_bits_(words_),
          tree_(std::size_t{2} * words_) {
        if (pages) mark({0, pages}, true);
    }

    std::uint32_t pages() const { return pages_; }
    std::uint32_t free() const { return free_; }
    std::uint32_t longest_run() const { return pages_ ? tree_[1].longest : 0; }
    bool is_free(std::uint32_t page) const { return page < pages_ && (free_bits_[page / 64] >> (page % 64) & 1); }

    // Appends `count` pages to the table, or changes nothing.
    result<void> allocate(std::uint32_t count, block_table& into) {
        if (count > free_) return {errc::exhausted, origin::kv};
        const block_table before = into;
        for (std::uint32_t left = count; left;) {
            const std::uint32_t take = left < longest_run() ? left : longest_run();
            const block_run run{find(take), take};
            if (!into.push(run)) {
                undo(before, into);
                return {errc::exhausted, origin::kv};
            }
            mark(run, false);
            left -= take;
        }
        return {};
    }

    // Every page of the run must be taken.
    void release(block_run run) {
        ASHLAR_ASSERT(run.first <= pages_ && run.count <= pages_ - run.first);
        if (run.count) mark(run, true);
    }

    // The summaries hold and add up. O(pages).
    bool check() const {
        std::uint32_t total = 0;
        for (std::uint64_t word : free_bits_) total += static_cast<std::uint32_t>(std::popcount(word));
        for (std::uint32_t w = 0; w < words_; ++w) {
            if (!(tree_[words_ + w] == summary_of(free_bits_[w]))) return false;
        }
        for (std::uint32_t i = words_ - 1; i >= 1; --i) {
            if (!(tree_[i] == join(i))) return false;
        }
        return total == free_;
    }

private:
    struct summary { // of a node's pages: free run at the front, at the back, longest anywhere
        std::uint32_t front = 0, back = 0, longest = 0;
        friend bool operator==(const summary&, const summary&) = default;
    };

    static summary summary_of(std::uint64_t word) {
        std::uint32_t longest = 0;
        for (std::uint64_t w = word; w; w &= w << 1) ++longest;
        return {static_cast<std::uint32_t>(std::countr_one(word)), static_cast<std::uint32_t>(std::countl_one(word)),
                longest};
    }

    // Pages below node i.
    std::uint32_t width(std::uint32_t i) const { return std::uint32_t{64} * (words_ >> (std::bit_width(i) - 1)); }

    summary join(std::uint32_t i) const {
        const summary &a = tree_[2 * i], &b = tree_[2 * i + 1];
        const std::uint32_t half = width(2 * i), across = a.back + b.front;
        std::uint32_t longest = a.longest > b.longest ? a.longest : b.longest;
        if (across > longest) longest = across;
        return {a.front == half ? half + b.front : a.front, b.back == half ? half + a.back : b.back, longest};
    }

    // First page of the lowest free run of at least `count` pages; there is one.
    std::uint32_t find(std::uint32_t count) const {
        std::uint32_t node = 1, first = 0;
        while (node < words_) {
            const std::uint32_t half = width(2 * node);
            if (tree_[2 * node].longest >= count) {
                node = 2 * node;
            } else if (tree_[2 * node].back + tree_[2 * node + 1].front >= count) {
                return first + half - tree_[2 * node].back;
            } else {
                node = 2 * node + 1;
                first += half;
            }
        }
        std::uint64_t starts = free_bits_[node - words_]; // bits that begin a run of `count`
        for (std::uint32_t i = 1; i < count; ++i) starts &= starts >> 1;
        ASHLAR_ASSERT(starts != 0);
        return first + static_cast<std::uint32_t>(std::countr_zero(starts));
    }

    void mark(block_run run, bool free) {
        const std::uint32_t low = run.first / 64, high = (run.first + run.count - 1) / 64;
        for (std::uint32_t w = low; w <= high; ++w) {
            std::uint64_t bits = ~std::uint64_t{0};
            if (w == low) bits &= ~std::uint64_t{0} << (run.first % 64);
            if (w == high) bits &= ~std::uint64_t{0} >> (63 - (run.first + run.count - 1) % 64);
            ASHLAR_ASSERT((free_bits_[w] & bits) == (free ? 0 : bits)); // a page is freed or taken twice
            free_bits_[w] ^= bits;
            tree_[words_ + w] = summary_of(free_bits_[w]);
        }
        for (std::uint32_t a = (words_ + low) / 2, b = (words_ + high) / 2; a >= 1; a /= 2, b /= 2) {
            for (std::uint32_t i = a; i <= b; ++i) tree_[i] = join(i);
        }
        free_ = free ? free_ + run.count : free_ - run.count;
    }

    // Gives back what `now` has beyond `before`.
    void undo(const block_table& before, block_table& now) {
        run_cursor at(now.runs(), before.blocks());
        for (std::uint32_t left = now.blocks() - before.blocks(); left;) {
            const block_run run{at.page(), at.left()};
            mark(run, true);
            at.advance(run.count);
            left -= run.count;
        }
        now.truncate(before.blocks());
    }

    std::uint32_t pages_ = 0;
    std::uint32_t words_ = 1;
    std::uint32_t free_ = 0;
    fixed_array<std::uint64_t> free_bits_; // 1: free
    fixed_array<summary> tree_;            // node 1 is the root, words_ + w the leaf of word w
};

} // namespace ashlar::inline v0::kv
