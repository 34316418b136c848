// SPDX-License-Identifier: Apache-2.0
// The router's place in its fleet: where engines find it, whom it may let in, who has to go, which roles there must be.
// Without a fleet everybody who holds the key may come.
//
//     fleet all(loop, how, engines, [] { ... });   all.join(control_fd);   if (all.admits(hello.member)) ...
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <ashlar/sched/event.hpp>

#include "engines.hpp"
#include "peers.hpp"
#include "settings.hpp"

namespace serve {

class fleet {
public:
    // `looked`: after every look at the directory.
    fleet(boost::asio::io_context& loop, const settings& how, engines& connected, std::function<void()> looked);

    std::string control_address() const; // where engines find the router
    void join(int control_fd);           // at the address of this listening socket
    void leave() { peers_.leave(); }     // the next router need not wait for a lease to run out

    bool superseded() const { return peers_.superseded(); }
    // Only who has the router's place lets engines in: they belong to one router at a time.
    bool admits(std::uint64_t member) const { return !peers_.superseded() && peers_.entered() && peers_.has(member); }
    // The engines without which nothing can be answered.
    std::vector<ashlar::sched::role> expected() const;

private:
    void watch();
    void part_from_strangers();

    const bool alone_, unified_; // no fleet; one engine for both halves
    const std::string address_;
    peers peers_;
    engines& connected_;
    const std::function<void()> looked_;
    boost::asio::steady_timer timer_;
    std::uint64_t epoch_ = 0; // at which the engines were looked at
};

} // namespace serve
