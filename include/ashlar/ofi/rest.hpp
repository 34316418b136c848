// SPDX-License-Identifier: Apache-2.0
// How an endpoint waits: on the provider's file descriptor, or in a short nap where there is none or where something
// was refused and is to be tried again soon. Some providers (1.17 net, while data streams in) say again and again that
// there is news where there is none: who was woken for nothing naps, longer and longer, and then asks again, because
// threads that compute need the core.
//
//     rest r;   r.wait(libfabric, max, refused);   if (fi_cq_read(...) > 0) r.over();
#pragma once

#include <cstdint>

#include <poll.h>
#include <rdma/fi_eq.h>
#include <time.h>

#include <ashlar/core/units.hpp>
#include <ashlar/ofi/opened.hpp>

namespace ashlar::inline v0::ofi {

class rest {
public:
    // A poll has brought something.
    void over() { nap_ns_ = first_ns; }

    // `soon`: do not sleep on the descriptor. False: `max` has passed for sure.
    bool wait(opened& o, duration max, bool soon) {
        const std::int64_t whole = max.ns > 0 ? max.ns : 0, room = whole < sleep_ns ? whole : sleep_ns;
        fid* watched[] = {&o.cq->fid};
        int fd = -1;
        const bool asks = nap_ns_ == first_ns || nap_ns_ == last_ns;
        const bool sleeps = o.has_fd && !soon && asks && fi_control(&o.cq->fid, FI_GETWAIT, &fd) == 0;
        if (sleeps && fi_trywait(o.fabric.get(), watched, 1) == 0) {
            pollfd p{fd, POLLIN, 0};
            if (::poll(&p, 1, static_cast<int>((room + 999'999) / 1'000'000)) == 0) return whole > sleep_ns;
            nap_ns_ = first_ns * 2; // until a poll brings something
            return true;
        }
        const std::int64_t nap = room < nap_ns_ ? room : nap_ns_;
        nap_ns_ = nap_ns_ * 2 < last_ns ? nap_ns_ * 2 : last_ns;
        const timespec span{0, static_cast<long>(nap)};
        ::nanosleep(&span, nullptr);
        return true;
    }

private:
    static constexpr std::int64_t sleep_ns = 250'000'000, first_ns = 50'000, last_ns = 2'000'000;
    std::int64_t nap_ns_ = first_ns;
};

} // namespace ashlar::inline v0::ofi
