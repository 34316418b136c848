// SPDX-License-Identifier: Apache-2.0
#include "http.hpp"

#include <algorithm>
#include <list>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "http_connection.hpp"

namespace serve {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

struct http_server::state : http_connections, std::enable_shared_from_this<http_server::state> {
    state(asio::io_context& loop, http_connections shared)
        : http_connections(std::move(shared)), acceptor(loop), pause(loop) {}
    void accept();
    bool make_room();
    void turn_away(tcp::socket socket);

    tcp::acceptor acceptor;
    asio::steady_timer pause;
};

void http_server::state::accept() {
    acceptor.async_accept([self = shared_from_this()](error_code ec, tcp::socket socket) {
        if (!self->acceptor.is_open()) return;
        if (ec) { // out of descriptors, most likely: try again in a moment rather than spin
            if (ec != asio::error::operation_aborted) spdlog::warn("accept: {}", ec.message());
            self->pause.expires_after(std::chrono::milliseconds(100));
            self->pause.async_wait([self](error_code stop) {
                if (!stop && self->acceptor.is_open()) self->accept();
            });
            return;
        }
        if (self->all.size() < self->limits.connections || self->make_room())
            std::make_shared<http_connection>(std::move(socket), self)->start();
        else
            self->turn_away(std::move(socket));
        self->accept();
    });
}

// The connection that has waited longest for a request gives way: those that nobody uses keep nobody out.
bool http_server::state::make_room() {
    const auto it = std::find_if(all.begin(), all.end(), [](const http_connection* each) { return each->idle(); });
    return it != all.end() && ((*it)->close(), true);
}

void http_server::state::turn_away(tcp::socket socket) {
    const std::string body = refuse(503, "too many connections; try again in a moment");
    const std::string text = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
                             "Content-Type: application/json\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
}

http_server::http_server(asio::io_context& loop, http_limits limits, handler handle, refusal refuse)
    : state_(std::make_shared<state>(
          loop,
          http_connections{.limits = limits, .handle = std::move(handle), .refuse = std::move(refuse), .all = {}})) {}

http_server::~http_server() {
    stop_accepting();
    for (auto* each : std::list<http_connection*>(state_->all)) each->close();
}

void http_server::accept_from(int listening_fd) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(listening_fd, reinterpret_cast<sockaddr*>(&name), &size);
    state_->acceptor.assign(name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), listening_fd);
    state_->acceptor.non_blocking(true);
    state_->accept();
}

void http_server::last_answers() { state_->stopping = true; }

void http_server::stop_accepting() {
    last_answers();
    error_code ignored;
    state_->acceptor.close(ignored);
    state_->pause.cancel();
}

void http_server::close_idle() {
    for (auto* each : std::list<http_connection*>(state_->all)) {
        if (each->idle()) each->close();
    }
}

std::size_t http_server::connections() const { return state_->all.size(); }

} // namespace serve
