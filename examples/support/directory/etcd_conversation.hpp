// SPDX-License-Identifier: Apache-2.0
// One request to etcd's gateway on a connection of its own, and its answer, which for a watch goes on line by line.
// Polled: it tells nobody, `over` says that it is.
//
//     auto one = std::make_shared<etcd_conversation>(loop, false);
//     one->start(address, host, etcd_gateway::list(prefix), patience);
//     loop.poll();   if (one->over && one->whole()) read(one->body());
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <support/directory/etcd_gateway.hpp>

namespace ashlar::support {

class etcd_conversation : public std::enable_shared_from_this<etcd_conversation> {
public:
    etcd_conversation(boost::asio::io_context& loop, bool endless); // endless: a watch

    void start(const boost::asio::ip::tcp::endpoint& to, const std::string& host, const etcd_gateway::request& ask,
               duration patience);
    void end(std::string why);

    unsigned status() const { return parser_.is_header_done() ? parser_.get().result_int() : 0; }
    std::string& body() { return parser_.get().body(); }
    bool whole() const { return parser_.is_done(); }
    std::optional<std::string> line(); // of the body, and no more of it

    bool over = false;
    std::string complaint;

private:
    void write();
    void read();
    void parse(boost::system::error_code read);

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer timer_;
    const bool endless_;
    std::string out_;
    boost::beast::flat_buffer in_;
    boost::beast::http::response_parser<boost::beast::http::string_body> parser_;
};

} // namespace ashlar::support
