// SPDX-License-Identifier: Apache-2.0
// The router's line to its supervisor: which engines are up, which one to end, that all is ready; and back, which one
// cannot start. Without a supervisor it says nothing to nobody.
//
//     supervisor_line line(loop, how.supervisor_fd, {.cannot_start = ..., .gone = ...});   line.fence(pid);
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace serve {

class supervisor_line {
public:
    struct reports {
        std::function<void(const std::string& role)> cannot_start;
        std::function<void()> gone; // its end is the router's
    };
    supervisor_line(boost::asio::io_context& loop, int fd, reports tell); // fd: taken over; -1: nobody is there

    bool open() const { return line_.is_open(); }
    void up(std::uint32_t pid) { say("up " + std::to_string(pid)); }
    void fence(std::uint32_t pid) { say("fence " + std::to_string(pid)); }
    void ready(const std::string& fabric) { say("ready " + fabric); }

private:
    void say(std::string line);
    void listen();

    boost::asio::posix::stream_descriptor line_;
    const reports tell_;
    std::string heard_;
};

} // namespace serve
