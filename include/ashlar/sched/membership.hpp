// SPDX-License-Identifier: Apache-2.0
// Who belongs to a fleet, as decided from what a directory says. While the directory is silent the membership is
// frozen: nobody joins, nobody leaves, no data path ends. When it is heard again, with its whole list, the membership
// lives on under a new epoch. Who vanished from the list stays for a `grace`: a lease that ran out while the directory
// was away, or while its leader changed, is joined again by its owner within that time, and nobody has missed anything.
//
//     membership all({.members_max = 256, .grace = 3_s});   membership_changes out = all.changes();
//     all.step(member_up{id, created}, now, out);             // out: joined
//     all.step(directory_lost{}, now, out);                   // out: froze
//
// An edge feeds what a watch says as it comes, and brackets a whole list by `listing` and `listed`; a watch that the
// directory has compacted away needs nothing more than a new list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/registration.hpp>

namespace ashlar::inline v0::sched {

using member_id = strong_id<struct member_tag, std::uint64_t>; // an entry's name, as the edge numbers it

// ---- what a membership is told

struct listing {}; // a whole list follows
struct member_up {
    member_id member;
    revision_id created; // a known member with a later one has joined anew, or has a new owner
};
struct member_down {
    member_id member;
    revision_id created; // of the entry that went
};
struct listed {}; // the list is complete: who was not in it is gone
struct directory_lost {};

using directory_event = std::variant<listing, member_up, member_down, listed, directory_lost, tick>;

// ---- what it says

struct membership_change {
    enum class kind : std::uint8_t {
        joined,
        moved, // the same name under another revision
        left,
        froze,  // member and created mean nothing in this one
        thawed, // nor in this one
    } what{};
    member_id member{};
    revision_id created{};
    friend bool operator==(const membership_change&, const membership_change&) = default;
};
using membership_changes = bounded_vector<membership_change>;

class membership {
public:
    struct options {
        std::uint32_t members_max;
        duration grace; // longer than an owner needs to learn that its lease has died and to join again
    };
    explicit membership(options how) : how_(how), members_(how.members_max) {}

    // Large enough for any step.
    membership_changes changes() const { return membership_changes(std::size_t{how_.members_max} + 1); }

    void step(const directory_event& e, instant now, membership_changes& out) {
        out.clear();
        std::visit([&](const auto& one) { on(one, now, out); }, e);
    }
    // When a tick has something to say.
    instant wake() const {
        instant first = instant::never();
        for (const entry& m : members_) {
            if (!frozen_ && m.absent && m.gone_at < first) first = m.gone_at;
        }
        return first;
    }

    // Frozen from the beginning, until the first list.
    bool frozen() const { return frozen_; }
    // One more with every change that is more than a frost: what was decided under an older one may be out of date.
    std::uint64_t epoch() const { return epoch_; }
    std::size_t size() const { return members_.size(); }
    bool has(member_id id) const { return find(id) < members_.size(); }
    // {} when there is no such member.
    revision_id created(member_id id) const { return has(id) ? members_[find(id)].created : revision_id{}; }
    // Entries for which there was no room; a list that comes when there is brings them in.
    std::uint64_t refused() const { return refused_; }

private:
    struct entry {
        member_id id{};
        revision_id created{};
        bool named = false;  // in the list that is under way
        bool absent = false; // not in the directory any more
        instant gone_at{};
    };
    using kind = membership_change::kind;

    std::size_t find(member_id id) const {
        std::size_t i = 0;
        while (i < members_.size() && members_[i].id != id) ++i;
        return i;
    }
    void say(membership_changes& out, kind what, member_id id = {}, revision_id created = {}) {
        const bool fits = out.push_back({what, id, created});
        ASHLAR_ASSERT(fits && "use membership::changes()");
        if (what != kind::froze) ++epoch_;
    }

    void on(const listing&, instant, membership_changes&) {
        for (entry& m : members_) m.named = false;
    }
    void on(const member_up& e, instant, membership_changes& out) {
        const std::size_t i = find(e.member);
        if (i == members_.size()) {
            if (!members_.push_back({.id = e.member, .created = e.created, .named = true}))
                ++refused_;
            else
                say(out, kind::joined, e.member, e.created);
            return;
        }
        entry& m = members_[i];
        if (e.created < m.created) return; // an old word
        m.named = true;
        m.absent = false;
        if (e.created == m.created) return;
        m.created = e.created;
        say(out, kind::moved, e.member, e.created);
    }
    void on(const member_down& e, instant now, membership_changes&) {
        const std::size_t i = find(e.member);
        if (i == members_.size() || members_[i].created != e.created || members_[i].absent) return;
        members_[i].absent = true;
        members_[i].gone_at = now + how_.grace;
    }
    void on(const listed&, instant now, membership_changes& out) {
        for (entry& m : members_) {
            if (m.named || (m.absent && !frozen_)) continue;
            m.absent = true;
            m.gone_at = now + how_.grace; // nobody could join again in the silence
        }
        if (!frozen_) return;
        frozen_ = false;
        say(out, kind::thawed);
    }
    void on(const directory_lost&, instant, membership_changes& out) {
        if (frozen_) return;
        frozen_ = true;
        say(out, kind::froze);
    }
    void on(const tick&, instant now, membership_changes& out) {
        for (std::size_t i = 0; i < members_.size() && !frozen_;) {
            const entry m = members_[i];
            if (m.absent && m.gone_at <= now) {
                members_.erase(i);
                say(out, kind::left, m.id, m.created);
            } else {
                ++i;
            }
        }
    }

    options how_;
    bounded_vector<entry> members_;
    bool frozen_ = true;
    std::uint64_t epoch_ = 0;
    std::uint64_t refused_ = 0;
};

} // namespace ashlar::inline v0::sched
