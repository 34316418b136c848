// SPDX-License-Identifier: Apache-2.0
// One connection of a server: requests in, one at a time, answers out. It reads ahead, bounded, while a request is
// answered: that is how a client's leaving is seen at every moment.
//
// A client may end what it sends (FIN) and still wait for answers (RFC 9112, 9.6), or be gone: TCP looks the same until
// bytes are sent, which who is gone answers with a reset. What has come whole is answered, and while a handler takes
// its time, bytes are sent that mean nothing: 100 (Continue), or a comment between events.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "http.hpp"
#include "http_reader.hpp"

namespace serve {

class http_connection;
class connection_exchange;

// What all connections of one server share.
struct http_connections {
    http_limits limits;
    http_server::handler handle;
    http_server::refusal refuse;
    std::list<http_connection*> all; // those that wait for a request longest come first
    bool stopping = false;           // answers close their connections
};

class http_connection : public std::enable_shared_from_this<http_connection> {
public:
    http_connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<http_connections> among);
    ~http_connection();

    void start();
    bool idle() const; // between two requests
    void close();

    // Of the exchange.
    void respond(unsigned status, std::string_view content_type, std::string_view body, const http_headers& headers);
    void begin_chunks(std::string_view content_type, const http_headers& headers);
    void chunk(std::string_view data);
    void end_chunks();
    void cut(); // what was sent so far still goes out; that the last chunk is missing tells the client

private:
    void expect_request();
    void read();
    void end_of_input();
    void parse();
    void dispatch(http_message message);
    void refuse(const http_refusal& why);

    void probe();
    void say_nothing();

    void put_head(unsigned status, std::string_view content_type, const http_headers& headers);
    void complete();
    void write();
    void write_now();
    void write_some();
    void next();
    void linger();
    void discard();
    void arm(std::chrono::seconds after);
    void late();

    boost::asio::ip::tcp::socket socket_;
    const std::shared_ptr<http_connections> among_;
    std::list<http_connection*>::iterator place_;
    boost::asio::steady_timer timer_, probe_;
    boost::beast::flat_buffer ahead_;
    http_reader reader_;
    std::shared_ptr<connection_exchange> current_; // a request that its handler has not answered
    std::string out_, writing_;
    std::size_t written_ = 0; // of writing_
    unsigned version_ = 11, probes_ = 0;
    bool answering_ = false, keep_alive_ = false, chunked_ = false, head_only_ = false, streaming_ = false;
    bool reading_ = false, write_posted_ = false, finishing_ = false, cut_off_ = false, closed_ = false;
    bool input_ended_ = false, lingering_ = false;
};

} // namespace serve
