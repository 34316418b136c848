// SPDX-License-Identifier: Apache-2.0
// Whether a peer still takes and finishes work. Some providers never say that one is gone: a peer that has had
// something to do for so long without a sign of life has stalled. An idle peer never has.
//
//     backlog b;   b.posted(now);   b.finished(now);   if (b.refused(now, limit) || b.stalled(now, limit)) lose(peer);
#pragma once

#include <cstdint>
#include <utility>

namespace ashlar::inline v0::ofi {

// Times in nanoseconds of one clock, not 0.
class backlog {
public:
    void posted(std::int64_t now) {
        if (pending_++ == 0 || refused_ns_) since_ns_ = now, refused_ns_ = 0;
    }
    void finished(std::int64_t now) { since_ns_ = --pending_ ? now : 0; }
    // True when it has stalled: with nothing pending, when every post for so long was refused. After a pause the count
    // begins anew.
    bool refused(std::int64_t now, std::int64_t limit_ns) {
        const bool anew = now - std::exchange(refused_ns_, now) > pause_ns;
        if (pending_ == 0 && (since_ns_ == 0 || anew)) since_ns_ = now;
        return now - since_ns_ >= limit_ns;
    }
    bool stalled(std::int64_t now, std::int64_t limit_ns) const { return pending_ && now - since_ns_ >= limit_ns; }

private:
    static constexpr std::int64_t pause_ns = 500'000'000;
    std::uint32_t pending_ = 0;
    std::int64_t since_ns_ = 0;   // when it last took or finished something while there was something to do; 0: idle
    std::int64_t refused_ns_ = 0; // when a post was last refused
};

} // namespace ashlar::inline v0::ofi
