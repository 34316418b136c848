// SPDX-License-Identifier: Apache-2.0
// Which pages hold a sequence: runs of neighbours, not a list of ids. A fresh pool gives a sequence one run; plans,
// tickets and kernels then cost O(runs). The storage is the caller's; pushing a page beside the last run extends it.
//
//     block_table table(storage);   table.push({7, 3});   table.push({10, 1});   table.runs();   // {7, 4}
//     run_cursor at(table.runs(), 2);   at.page();   // 9
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/ids.hpp>

namespace ashlar::inline v0::kv {

class block_table {
public:
    block_table() = default;
    explicit block_table(std::span<block_run> storage) : storage_(storage) {}

    std::span<const block_run> runs() const { return storage_.first(size_); }
    std::uint32_t blocks() const { return blocks_; }
    void clear() { size_ = blocks_ = 0; }

    // False when the storage is full; then nothing has changed.
    [[nodiscard]] bool push(block_run run) {
        if (run.count == 0) return true;
        if (size_ && storage_[size_ - 1].first + storage_[size_ - 1].count == run.first) {
            storage_[size_ - 1].count += run.count;
        } else {
            if (size_ == storage_.size()) return false;
            storage_[size_++] = run;
        }
        blocks_ += run.count;
        return true;
    }

    // Forgets all but the first `blocks` blocks.
    void truncate(std::uint32_t blocks) {
        while (blocks_ > blocks) {
            block_run& last = storage_[size_ - 1];
            const std::uint32_t surplus = blocks_ - blocks < last.count ? blocks_ - blocks : last.count;
            last.count -= surplus;
            blocks_ -= surplus;
            if (last.count == 0) --size_;
        }
    }

private:
    std::span<block_run> storage_;
    std::uint32_t size_ = 0;
    std::uint32_t blocks_ = 0;
};

// Walks the logical blocks of a sequence. Past the last block `left()` is 0.
class run_cursor {
public:
    run_cursor() = default;
    explicit run_cursor(std::span<const block_run> runs, std::uint32_t block = 0)
        : at_(runs.data()), end_(at_ + runs.size()) {
        while (at_ != end_ && at_->count == 0) ++at_;
        advance(block);
    }

    // Pages from here to the end of the current run.
    std::uint32_t left() const { return at_ == end_ ? 0 : at_->count - inside_; }
    std::uint32_t page() const { return ASHLAR_ASSERT(at_ != end_), at_->first + inside_; }

    void advance(std::uint32_t blocks) {
        while (at_ != end_ && blocks >= at_->count - inside_) {
            blocks -= at_->count - inside_;
            ++at_;
            inside_ = 0;
        }
        if (at_ != end_) inside_ += blocks;
    }

private:
    const block_run* at_ = nullptr;
    const block_run* end_ = nullptr;
    std::uint32_t inside_ = 0;
};

constexpr std::uint32_t count_blocks(std::span<const block_run> runs) {
    std::uint32_t n = 0;
    for (block_run run : runs) n += run.count;
    return n;
}

} // namespace ashlar::inline v0::kv
