// SPDX-License-Identifier: Apache-2.0
// Which tickets this incarnation has issued and what became of them: a ticket is consumed once, and whoever comes too
// late is told why. Ids begin at a place that the epoch chooses, so that two engines' ids do not meet.
//
//     ticket_ledger book(epoch);   transfer_id t = book.issue();
//     book.redeem(t);   // first: fine; then replayed, or expired, or not_found when this incarnation never issued it
//
// Remembers the last 1,024 tickets one by one; older ones count as replayed. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::kv {

class ticket_ledger {
public:
    static constexpr std::uint64_t window = 1024;

    explicit ticket_ledger(epoch_id epoch) : base_(mix(epoch.value)) {}

    transfer_id issue() {
        states_[issued_ % window] = state::open;
        return {base_ + issued_++};
    }
    result<void> redeem(transfer_id id) {
        const std::uint64_t number = id.value - base_;
        if (number >= issued_) return {errc::not_found, origin::kv};
        if (issued_ - number > window) return {errc::replayed, origin::kv};
        state& s = states_[number % window];
        if (s == state::used) return {errc::replayed, origin::kv};
        if (s == state::expired) return {errc::expired, origin::kv};
        if (s == state::cancelled) return {errc::cancelled, origin::kv};
        s = state::used;
        return {};
    }
    // Nobody has come and nobody may come any more.
    void expire(transfer_id id) { end(id, state::expired); }
    void cancel(transfer_id id) { end(id, state::cancelled); }

private:
    enum class state : std::uint8_t { open, used, expired, cancelled };
    void end(transfer_id id, state how) {
        const std::uint64_t number = id.value - base_;
        if (number < issued_ && issued_ - number <= window && states_[number % window] == state::open) {
            states_[number % window] = how;
        }
    }

    std::uint64_t base_;
    std::uint64_t issued_ = 0;
    std::array<state, window> states_{};
};

} // namespace ashlar::inline v0::kv
