// SPDX-License-Identifier: Apache-2.0
#include "neighbours.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace serve {

void neighbours::hear(const wire::peer& frame) {
    neighbour one{.epoch = frame.epoch, .address = frame.address};
    bool known = false; // from the time before this router
    std::erase_if(all_, [&](const auto& each) {
        const neighbour& other = each.second;
        if (other.epoch != frame.epoch) return false;
        if (other.is != neighbour::gone) known = true, one.at = other.at, one.generation = other.generation;
        return true;
    });
    if (!known) connect(one);
    all_.insert_or_assign(frame.instance.value, std::move(one));
}

void neighbours::hear(const wire::peer_gone& frame) {
    const auto it = all_.find(frame.instance.value);
    if (it == all_.end() || it->second.epoch != frame.epoch) return;
    const auto peer = it->second.at;
    if (std::exchange(it->second.is, neighbour::gone) == neighbour::gone)
        over_.ended(peer); // said a second time only when it has
    else if (over_.state(peer).generation == it->second.generation)
        over_.disconnect(peer, frame.dead);
    if (frame.dead) all_.erase(it);
}

void neighbours::router_is_gone() {
    for (auto& [instance, one] : all_) {
        if (one.is == neighbour::listed) one.is = neighbour::unlisted;
    }
}

void neighbours::connect_anew() {
    std::erase_if(all_, [](const auto& each) { return each.second.is != neighbour::listed; });
    for (auto& [instance, one] : all_) connect(one);
}

void neighbours::connect(neighbour& one) {
    one.at = {}, one.generation = 0;
    const auto at = over_.connect(one.address);
    if (!at) { // requests that need it will say so
        spdlog::error("cannot connect to a peer over {}: {} ({}, {})", over_.name(), ashlar::to_string(at.error().code),
                      ashlar::to_string(at.error().from), at.error().os_code);
        return;
    }
    one.at = *at;
    one.generation = over_.state(*at).generation;
}

void neighbours::find_lost() {
    for (auto& [instance, one] : all_) {
        if (!is_lost(one)) continue;
        const auto at = over_.connect(one.address); // fails for good when its process has ended
        one.at = at ? *at : ashlar::fabric::peer_id{};
        one.generation = at ? over_.state(*at).generation : 0;
    }
}

const neighbour* neighbours::find(ashlar::instance_id instance) const {
    const auto it = all_.find(instance.value);
    return it == all_.end() || it->second.is != neighbour::listed ? nullptr : &it->second;
}

bool neighbours::lost_one() const {
    return std::any_of(all_.begin(), all_.end(), [this](const auto& each) { return is_lost(each.second); });
}

} // namespace serve
