// SPDX-License-Identifier: Apache-2.0
// The engines that this one exchanges KV with: what the router says of them, and where the fabric has them.
//
//     neighbours others(*carrier);   others.hear(peer_frame);
//     if (const neighbour* to = others.find(instance); to && others.up(*to)) carrier->send(key, to->at, ...);
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/fabric/op.hpp>

#include "carrier.hpp"
#include "wire.hpp"

namespace serve {

struct neighbour {
    ashlar::epoch_id epoch;
    std::vector<std::byte> address;
    ashlar::fabric::peer_id at{};
    std::uint32_t generation = 0;                // of `at`, which may become somebody else's; 0: never connected
    enum { listed, unlisted, gone } is = listed; // unlisted: by a former router; gone: kept until its process has ended
};

class neighbours {
public:
    explicit neighbours(carrier& over) : over_(over) {}

    void hear(const wire::peer& frame);
    void hear(const wire::peer_gone& frame);
    void router_is_gone(); // the next one will say who is there
    void connect_anew();   // the carrier has been reopened
    void find_lost();      // connects to those that are lost and may live

    const neighbour* find(ashlar::instance_id instance) const; // nullptr: not listed
    bool up(const neighbour& one) const {
        return over_.state(one.at) == ashlar::fabric::peer_state{true, one.generation};
    }
    bool lost_one() const; // that is listed

private:
    void connect(neighbour& one);
    bool is_lost(const neighbour& one) const { return one.is == neighbour::listed && one.generation != 0 && !up(one); }

    carrier& over_;
    std::map<std::uint32_t, neighbour> all_; // by instance
};

} // namespace serve
