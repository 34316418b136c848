// SPDX-License-Identifier: Apache-2.0
// One process's own place in a directory (etcd, say): a lease, and an entry that lives as long as the lease. It says
// which call is due and is told what came of it; the edge makes the call. At most one is under way.
//
//     registration mine({.retry_after = 250_ms});
//     if (const auto call = mine.due(now); call != registration::call::none) send(call);   // ... mine.granted(ttl,
//     now)
//
// The rules: renew at half of what is left, not of what was granted; time a lease from the moment at which its last
// good renewal was sent; a call without an answer says nothing about the lease; a dead lease is no reason to end, but
// to join again, under a new revision. While the directory is silent `holds` ends by the clock, so that of the
// processes that want one name at most one holds it at any time, as far as their clocks run at one rate.
#pragma once

#include <cstdint>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::sched {

// The directory's clock: it grows with every change of it. An entry is known by the one that created it, which makes it
// a fencing epoch: the later owner of a name has the greater one.
using revision_id = strong_id<struct revision_tag, std::uint64_t>;

class registration {
public:
    enum class call : std::uint8_t {
        none,
        grant, // a lease                  -> granted
        claim, // the entry, if absent      -> claimed, taken or lease_lost
        renew, // the lease                -> renewed or lease_lost
    };
    struct options {
        duration retry_after; // after no answer, and between looks at a name that somebody else has
    };
    explicit registration(options how) : how_(how) {}

    // The call to make now. Until its answer, or failed(), it is `none`.
    call due(instant now) {
        if (under_way_ != call::none || now < wake()) return call::none;
        sent_ = now;
        return under_way_ = stage_ == stage::out ? call::grant : renew_at_ <= now ? call::renew : call::claim;
    }
    // When `due` has something to say, if nothing is under way.
    instant wake() const {
        return stage_ == stage::out || (stage_ == stage::leased && next_ < renew_at_) ? next_ : renew_at_;
    }

    // ---- what came of it

    void granted(duration ttl, instant now) {
        answered(call::grant);
        stage_ = stage::leased;
        next_ = now;
        leased(ttl, now);
    }
    // The entry is there under this lease: by this claim, or by an earlier one whose answer was lost.
    void claimed(revision_id created) {
        answered(call::claim);
        stage_ = stage::held;
        taken_ = false;
        claimed_ = created;
    }
    void taken(instant now) {
        answered(call::claim);
        taken_ = true;
        next_ = now + how_.retry_after;
    }
    void renewed(duration ttl, instant now) {
        answered(call::renew);
        leased(ttl, now);
    }
    void lease_lost(instant now) {
        ASHLAR_ASSERT(under_way_ != call::none);
        under_way_ = call::none;
        if (stage_ == stage::held) ++lost_;
        stage_ = stage::out;
        next_ = now;
    }
    void failed(instant now) {
        ASHLAR_ASSERT(under_way_ != call::none);
        (under_way_ == call::renew ? renew_at_ : next_) = now + how_.retry_after;
        under_way_ = call::none;
    }

    // ---- what nobody asked for

    // The entry is gone although the lease may live: somebody deleted it. A claim that is under way settles itself.
    void evicted(revision_id created, instant now) {
        if (stage_ != stage::held || !(created == claimed_)) return;
        ++lost_;
        stage_ = stage::leased;
        next_ = now;
    }

    // ---- what is known

    // The name is this process's own, for certain.
    bool holds(instant now) const { return stage_ == stage::held && now < until_; }
    // Whether it was last heard to be: a directory that says nothing takes nothing away.
    bool entered() const { return stage_ == stage::held; }
    // Somebody else has the name.
    bool superseded() const { return taken_; }
    revision_id claimed() const { return claimed_; }
    std::uint64_t lost() const { return lost_; } // entries, since the beginning

private:
    enum class stage : std::uint8_t { out, leased, held };

    void answered([[maybe_unused]] call which) {
        ASHLAR_ASSERT(under_way_ == which);
        under_way_ = call::none;
    }
    void leased(duration ttl, instant now) {
        until_ = sent_ + ttl;
        renew_at_ = until_ > now ? now + (until_ - now) / 2 : now + how_.retry_after;
    }

    options how_;
    stage stage_ = stage::out;
    call under_way_ = call::none;
    bool taken_ = false;
    instant next_{}, sent_{}, until_{}, renew_at_{};
    revision_id claimed_{};
    std::uint64_t lost_ = 0;
};

} // namespace ashlar::inline v0::sched
