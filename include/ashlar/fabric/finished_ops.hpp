// SPDX-License-Identifier: Apache-2.0
// For drivers whose operations are over when the post returns: they wait here until they are polled, in order. And how
// `poll` shares a small `out` between them and what peers sent.
//
//     finished_ops done(64);   if (done.full()) return errc::again;   ... return done.push(o);
//     n = take_turns(out, n, turn, [&](completion& c) { return done.report(c); }, [&](completion& c) { ... });
#pragma once

#include <cstddef>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/op.hpp>

namespace ashlar::inline v0::fabric {

// Not for use from several threads.
class finished_ops {
public:
    explicit finished_ops(std::size_t capacity) : ops_(capacity) {}

    bool full() const { return ops_.full(); }
    bool empty() const { return ops_.empty(); }
    // What a post returns. Only while not full.
    result<void> push(op& o) {
        o.status = op_status::pending;
        o.fault = {};
        const bool room = ops_.push(&o);
        return ASHLAR_ASSERT(room), result<void>{};
    }
    bool report(completion& out) {
        if (ops_.empty()) return false;
        op* o = ops_.pop();
        o->status = op_status::done;
        out = completion{.what = completion::kind::operation, .operation = o};
        return true;
    }

private:
    ring<op*> ops_;
};

// Fills `out` behind its first n, from two sources in turn, so that neither starves; returns how many there are now.
// `turn` remembers whose turn it is.
template <class First, class Second>
std::size_t take_turns(std::span<completion> out, std::size_t n, bool& turn, First&& first, Second&& second) {
    while (n < out.size()) {
        turn = !turn;
        if (!(turn ? first(out[n]) || second(out[n]) : second(out[n]) || first(out[n]))) break;
        ++n;
    }
    return n;
}

} // namespace ashlar::inline v0::fabric
