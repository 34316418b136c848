// SPDX-License-Identifier: Apache-2.0
// When an engine closes its fabric endpoint and opens another: it has lost a neighbour that lives, or keeps pages in
// quarantine for a peer of whose end nobody will tell. Nothing reaches its memory through a closed endpoint, so every
// quarantine is over then; so is every transfer in flight. Hence the patience (a neighbour that has died is reported by
// the scheduler's edge within that time), and pauses that double while reopening does not help.
//
//     reopening policy({.patience = 2_s, .pause = 1_s, .pause_max = 60_s});
//     if (policy.due(now, neighbour_down, lease_overdue)) close(), pages.fence_all(), open(), policy.done(now);
#pragma once

#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::sched {

struct reopening_options {
    duration patience;         // with a neighbour that is down in the fabric and there for the scheduler
    duration pause, pause_max; // between two reopenings; after `pause_max` of calm the first pause again
};

class reopening {
public:
    explicit reopening(const reopening_options& options) : options_(options) {}

    // neighbour_down: one that the scheduler counts on cannot be reached. lease_overdue: pages are in quarantine though
    // their lease ended long ago.
    bool due(instant now, bool neighbour_down, bool lease_overdue) {
        if (!neighbour_down)
            down_since_ = instant::never();
        else if (down_since_ == instant::never())
            down_since_ = now;
        if (now < not_before_) return false;
        return lease_overdue || (neighbour_down && now - down_since_ >= options_.patience);
    }

    void done(instant now) {
        const bool calm = pause_ == duration{} || now - not_before_ >= options_.pause_max;
        pause_ = calm ? options_.pause : pause_ + pause_ < options_.pause_max ? pause_ + pause_ : options_.pause_max;
        not_before_ = now + pause_;
        down_since_ = instant::never();
    }

private:
    reopening_options options_;
    instant down_since_ = instant::never(), not_before_;
    duration pause_{};
};

} // namespace ashlar::inline v0::sched
