// SPDX-License-Identifier: Apache-2.0
#include "supervisor_line.hpp"

#include <utility>

#include <sys/socket.h>

namespace serve {

namespace asio = boost::asio;

supervisor_line::supervisor_line(asio::io_context& loop, int fd, reports tell) : line_(loop), tell_(std::move(tell)) {
    if (fd >= 0) line_.assign(fd), listen();
}

void supervisor_line::say(std::string line) {
    if (!open()) return;
    line += '\n';
    [[maybe_unused]] const auto n =
        ::send(line_.native_handle(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void supervisor_line::listen() {
    line_.async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code ec) {
        char buffer[256];
        const auto n = ec ? 0 : ::recv(line_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n <= 0) return tell_.gone();
        heard_.append(buffer, static_cast<std::size_t>(n));
        for (std::size_t end; (end = heard_.find('\n')) != std::string::npos; heard_.erase(0, end + 1)) {
            if (heard_.rfind("cannot ", 0) == 0) tell_.cannot_start(heard_.substr(7, end - 7));
        }
        listen();
    });
}

} // namespace serve
