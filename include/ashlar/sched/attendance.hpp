// SPDX-License-Identifier: Apache-2.0
// Which engines are there: who comes up, who says that it lives, who has gone or was silent for too long. What was
// placed on one that is gone starts over at once. Base of `pd`, between it and the moves of a request; not used by
// itself.
//
//     class my_scheduler : attendance { ... on(instance_down{id, epoch}); ... now_ = now, look_for_silence(); };
#pragma once

#include <cstdint>

#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/fleet.hpp>
#include <ashlar/sched/lifecycle.hpp>

namespace ashlar::inline v0::sched {

class attendance : public lifecycle {
public:
    std::uint64_t ignored_events() const { return ignored_; } // late, doubled or for nobody

protected:
    using lifecycle::lifecycle;

    void on(const instance_up& e) {
        const std::uint32_t known = engines_.find(e.instance);
        if (known != no_slot && engines_[known].facts.epoch == e.epoch) return beat(known);
        if (known != no_slot) take_down(known); // a new incarnation says that the old one is gone
        const bool sound = e.blocks_total && e.tokens_per_block && e.batch_tokens_max && e.sequences_max &&
                           static_cast<std::uint8_t>(e.as) <= static_cast<std::uint8_t>(role::unified);
        if (!sound || engines_.add(e, now_) == no_slot) return emit(instance_lost{e.instance, e.epoch});
        silence_due_ = least(silence_due_, now_ + options_.heartbeat_timeout);
        sift_waiting();
    }

    void on(const instance_down& e) {
        const std::uint32_t i = engines_.find(e.instance);
        if (i == no_slot || engines_[i].facts.epoch != e.epoch) return ignore();
        take_down(i);
        sift_waiting();
    }

    void on(const heartbeat& e) {
        const std::uint32_t i = engines_.find(e.instance);
        if (i == no_slot || engines_[i].facts.epoch != e.epoch) return ignore();
        beat(i);
    }

    // When some instance may have been silent for too long.
    instant silence_due() const { return silence_due_; }
    void look_for_silence() {
        if (now_ < silence_due_) return;
        silence_due_ = instant::never();
        bool lost = false;
        for (std::uint32_t i = 0; i < engines_.all().size(); ++i) {
            const instance& at = engines_[i];
            if (!at.live) continue;
            if (now_ - at.last_seen < options_.heartbeat_timeout) {
                silence_due_ = least(silence_due_, at.last_seen + options_.heartbeat_timeout);
                continue;
            }
            emit(instance_lost{at.facts.instance, at.facts.epoch});
            take_down(i);
            lost = true;
        }
        if (lost) sift_waiting();
    }

    void ignore() { ++ignored_; }

    instant now_; // of the present step

private:
    void beat(std::uint32_t i) {
        engines_[i].last_seen = now_;
        engines_[i].full = false;
    }

    void take_down(std::uint32_t i) {
        engines_.remove(i);
        instance& gone = engines_[i];
        const error why{errc::peer_down, origin::sched, 0};
        while (!gone.prefill_members.empty()) restart(gone.prefill_members.first(), why);
        while (!gone.decode_members.empty()) restart(gone.decode_members.first(), why);
    }

    instant silence_due_ = instant::never();
    std::uint64_t ignored_ = 0;
};

} // namespace ashlar::inline v0::sched
