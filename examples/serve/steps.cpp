// SPDX-License-Identifier: Apache-2.0
#include "steps.hpp"

#include <chrono>
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>

#include "clock.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace asio = boost::asio;

steps::steps(asio::io_context& loop, const sched::pd_options& options, const std::string& log_dir, effect carry_out)
    : loop_(loop), timer_(loop), policy_(options), said_(policy_.actions_max()), log_(log_dir, options),
      carry_out_(std::move(carry_out)) {}

void steps::feed(const sched::event& e) {
    waiting_.push_back(e);
    if (std::exchange(stepping_, true)) return;
    for (; !waiting_.empty(); waiting_.pop_front()) {
        const al::instant now = monotonic();
        policy_.step(waiting_.front(), now, said_);
        log_.append(now, waiting_.front(), said_);
        for (std::span<const sched::action> left = said_; !left.empty();) {
            const auto* batch = std::get_if<sched::launch_batch>(&left.front());
            const std::size_t count = 1 + (batch ? batch->items : 0);
            if (const auto* timer = std::get_if<sched::set_timer>(&left.front()))
                wait_until(timer->at);
            else
                carry_out_(left.first(count));
            left = left.subspan(count);
        }
    }
    stepping_ = false;
}

void steps::wait_until(al::instant at) {
    timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at.ns)));
    timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        // What the sockets hold comes first: this handler runs behind those that are ready now.
        asio::post(loop_, [this] { feed(sched::tick{}); });
    });
}

} // namespace serve
