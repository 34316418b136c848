// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 for one thread: a server that parses requests within limits and hands each to a handler together with an
// `exchange`, through which the answer goes out, whole or as a stream of events.
//
//     http_server server(loop, limits, [](http_request request, std::shared_ptr<exchange> out) { out->reply(...); });
//     server.accept_from(listening_fd);
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace serve {

struct http_limits {
    std::size_t header_bytes = 16 << 10;
    std::size_t body_bytes = 8 << 20;
    std::size_t connections = 512;            // at the limit, one between two requests gives way; else 503
    std::size_t unsent_bytes = 4 << 20;       // a client that reads this much too slowly is cut off
    std::chrono::seconds request_timeout{30}; // from the first byte of a request to its last; then 408
    std::chrono::seconds idle_timeout{75};    // between two requests of a connection
    std::chrono::seconds write_timeout{30};   // without progress while bytes are waiting
};

struct http_request {
    std::string method;
    std::string path; // without the query
    std::string authorization;
    std::string request_id; // x-request-id as the client sent it, made printable and bounded; empty when absent
    std::string body;
};

using http_headers = std::vector<std::pair<std::string, std::string>>;

// One request's way back. Every call after the client left is a no-op.
class exchange {
public:
    virtual ~exchange() = default;
    // A whole answer.
    virtual void reply(unsigned status, std::string_view content_type, std::string body, const http_headers& = {}) = 0;
    // 200 and an event stream; then any number of `send`; then `finish` (clean end) or `abort` (cut: the client sees
    // it).
    virtual void begin_events(const http_headers& = {}) = 0;
    virtual void send(std::string_view data) = 0;
    virtual void finish() = 0;
    virtual void abort() = 0;
    // Called at most once, when the client leaves before the answer is complete.
    std::function<void()> on_gone;
};

class http_server {
public:
    using handler = std::function<void(http_request, std::shared_ptr<exchange>)>;
    // Errors that never reach the handler (bad syntax, too large) are turned into a body by `refuse`.
    using refusal = std::function<std::string(unsigned status, std::string_view why)>;

    http_server(boost::asio::io_context& loop, http_limits limits, handler handle, refusal refuse);
    ~http_server();

    void accept_from(int listening_fd); // takes the descriptor over
    void last_answers();                // from now on every answer ends its connection
    void stop_accepting();
    void close_idle(); // connections between two requests
    std::size_t connections() const;

    struct state; // of http.cpp

private:
    std::shared_ptr<state> state_;
};

} // namespace serve
