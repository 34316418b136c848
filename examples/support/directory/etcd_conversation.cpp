// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd_conversation.hpp>

#include <chrono>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

namespace ashlar::support {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;
namespace gateway = etcd_gateway;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t answer_bytes_max = 8 << 20;

} // namespace

etcd_conversation::etcd_conversation(asio::io_context& loop, bool endless)
    : socket_(loop), timer_(loop), endless_(endless) {
    parser_.eager(true);
    if (endless)
        parser_.body_limit(boost::none);
    else
        parser_.body_limit(answer_bytes_max);
}

void etcd_conversation::start(const tcp::endpoint& to, const std::string& host, const gateway::request& ask,
                              duration patience) {
    out_ = "POST " + ask.path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n" +
           // A watch ends when its server has no leader, instead of saying nothing for ever.
           (endless_ ? "Grpc-Metadata-hasleader: true\r\n" : "Connection: close\r\n") +
           "Content-Length: " + std::to_string(ask.body.size()) + "\r\n\r\n" + ask.body;
    timer_.expires_after(std::chrono::nanoseconds(patience.ns));
    timer_.async_wait([self = shared_from_this()](error_code ec) {
        if (!ec) self->end("no answer in time");
    });
    socket_.async_connect(to, [self = shared_from_this()](error_code ec) {
        if (ec || self->over) return self->end(ec.message());
        self->write();
    });
}

void etcd_conversation::end(std::string why) {
    if (std::exchange(over, true)) return;
    complaint = std::move(why);
    error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
}

std::optional<std::string> etcd_conversation::line() {
    const auto end = body().find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string one = body().substr(0, end);
    body().erase(0, end + 1);
    return one;
}

void etcd_conversation::write() {
    asio::async_write(socket_, asio::buffer(out_), [self = shared_from_this()](error_code ec, std::size_t) {
        if (ec || self->over) return self->end(ec.message());
        self->read();
    });
}

void etcd_conversation::read() {
    socket_.async_read_some(in_.prepare(16 << 10), [self = shared_from_this()](error_code ec, std::size_t n) {
        if (self->over) return;
        self->in_.commit(n);
        self->parse(ec);
    });
}

void etcd_conversation::parse(error_code read) {
    error_code ec;
    while (in_.size() > 0 && !parser_.is_done() && !ec) {
        const std::size_t used = parser_.put(in_.data(), ec);
        in_.consume(used);
        if (used == 0) break;
    }
    if (ec == bhttp::error::need_more) ec = {};
    if (!ec && read && parser_.got_some() && !parser_.is_done()) parser_.put_eof(ec);
    if (ec) return end(ec.message());
    if (body().size() > answer_bytes_max) return end("an answer of more than 8 MiB");
    if (endless_ && parser_.is_header_done()) timer_.cancel(); // from here on the calls beside it watch over it
    if (parser_.is_done()) return end({});
    if (read) return end(read.message());
    this->read();
}

} // namespace ashlar::support
