// SPDX-License-Identifier: Apache-2.0
// The scheduler's loop: event, step, log, actions. What an action does may be an event itself, which waits for its
// turn; the time that the scheduler asks for is one more.
//
//     steps all(loop, options, log_dir, [](std::span<const sched::action> one) { ... });   all.feed(sched::drain{});
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <ashlar/sched/pd.hpp>

#include "journal.hpp"

namespace serve {

class steps {
public:
    using effect = std::function<void(std::span<const ashlar::sched::action>)>;
    // `carry_out` gets one action at a time, or the head of a batch and its items behind it. Timers are kept here.
    // Throws std::runtime_error when the log cannot be made.
    steps(boost::asio::io_context& loop, const ashlar::sched::pd_options& options, const std::string& log_dir,
          effect carry_out);

    void feed(const ashlar::sched::event& e);
    const ashlar::sched::pd<>& policy() const { return policy_; }

private:
    void wait_until(ashlar::instant at);

    boost::asio::io_context& loop_;
    boost::asio::steady_timer timer_;
    ashlar::sched::pd<> policy_;
    ashlar::sched::actions said_;
    journal log_;
    const effect carry_out_;
    std::deque<ashlar::sched::event> waiting_;
    bool stepping_ = false;
};

} // namespace serve
