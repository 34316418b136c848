// SPDX-License-Identifier: Apache-2.0
// One attempt of a request on an engine, from its `reserve` to the moment at which its pages may be given back. The
// engine's loop owns pages, batches and transfers; when it may do what with them stands here.
//
//     tenancy t(role::prefill, context, cached);     t.hands_over();     if (t.admits(position, count, tokens)) ...
//     if (t.release()) mover.cancel(...);            if (t.over()) pages.close(...);
//
// `over` speaks of this engine's own use: pages that a peer may still write to are kv::cache's quarantine.
#pragma once

#include <cstdint>

#include <ashlar/sched/event.hpp>

namespace ashlar::inline v0::sched {

class tenancy {
public:
    tenancy() = default;
    tenancy(role as, std::uint32_t context, std::uint32_t cached) : as_(as), context_(context), computed_(cached) {}

    std::uint32_t context() const { return context_; }   // tokens that are prefilled
    std::uint32_t computed() const { return computed_; } // tokens whose KV is in place
    bool prefilled() const { return computed_ >= context_; }
    bool released() const { return released_; }

    // ---- computing

    // Whether tokens [position, position + count) of `known` ones can be computed: what comes before them is in place.
    bool admits(std::uint32_t position, std::uint32_t count, std::uint64_t known) const {
        return !released_ && count > 0 && position <= computed_ && std::uint64_t{position} + count <= known;
    }
    void computed_to(std::uint32_t end) { computed_ = end > computed_ ? end : computed_; }

    // ---- handing over

    void hands_over() { moving_ = true; }
    enum class word : std::uint8_t { nothing, received, failed };
    // The transfer is over. What the scheduler is to be told: nothing when it has lost interest, nor of a success on
    // the side that sends.
    word handed_over(bool ok) {
        moving_ = false;
        if (released_) return word::nothing;
        if (!ok) return word::failed;
        if (as_ != role::decode) return word::nothing;
        computed_to(context_);
        return word::received;
    }

    // ---- the end

    // The scheduler is through with it. True: call the transfer off. A prompt that is computed is on its way whole, and
    // its transfer's end comes by itself.
    bool release() {
        released_ = true;
        return moving_ && (as_ == role::decode || !prefilled());
    }
    // The scheduler is gone: nobody waits for any transfer.
    bool abandon() {
        released_ = true;
        return moving_;
    }
    // Nothing of this engine reads or writes its pages any more: a sender's writes read from them until the transfer's
    // end.
    bool over() const { return released_ && !(moving_ && as_ == role::prefill); }

private:
    role as_ = role::unified;
    std::uint32_t context_ = 0, computed_ = 0;
    bool moving_ = false, released_ = false;
};

} // namespace ashlar::inline v0::sched
