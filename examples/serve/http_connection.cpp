// SPDX-License-Identifier: Apache-2.0
#include "http_connection.hpp"

#include <cstdio>
#include <utility>
#include <variant>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/status.hpp>
#include <spdlog/spdlog.h>

namespace serve {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

// What the handler holds. The connection may die first.
class connection_exchange final : public exchange {
public:
    explicit connection_exchange(std::weak_ptr<http_connection> to) : to_(std::move(to)) {}

    void reply(unsigned status, std::string_view type, std::string body, const http_headers& headers) override {
        if (const auto to = last()) to->respond(status, type, body, headers);
    }
    void begin_events(const http_headers& headers) override {
        if (std::exchange(streaming_, true)) return;
        http_headers all = headers;
        all.emplace_back("Cache-Control", "no-cache");
        if (const auto to = to_.lock()) to->begin_chunks("text/event-stream; charset=utf-8", all);
    }
    void send(std::string_view data) override {
        if (const auto to = to_.lock()) to->chunk(data);
    }
    void finish() override {
        if (const auto to = last()) to->end_chunks();
    }
    void abort() override {
        if (const auto to = last()) to->cut();
    }
    void client_left() {
        to_.reset();
        if (auto tell = std::exchange(on_gone, nullptr)) tell();
    }

private:
    std::shared_ptr<http_connection> last() { // for what ends the answer
        on_gone = nullptr;
        return std::exchange(to_, {}).lock();
    }

    std::weak_ptr<http_connection> to_;
    bool streaming_ = false;
};

http_connection::http_connection(tcp::socket socket, std::shared_ptr<http_connections> among)
    : socket_(std::move(socket)), among_(std::move(among)), place_(among_->all.insert(among_->all.end(), this)),
      timer_(socket_.get_executor()), probe_(socket_.get_executor()), reader_(among_->limits) {}
http_connection::~http_connection() { among_->all.erase(place_); }

void http_connection::start() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    expect_request();
    read();
}

bool http_connection::idle() const {
    return !closed_ && !answering_ && !reader_.started() && out_.empty() && writing_.empty();
}

void http_connection::close() {
    if (std::exchange(closed_, true)) return;
    const auto self = shared_from_this();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    timer_.cancel(), probe_.cancel();
    if (auto out = std::exchange(current_, nullptr)) out->client_left();
}

// ---- what the exchange says

void http_connection::respond(unsigned status, std::string_view content_type, std::string_view body,
                              const http_headers& headers) {
    if (closed_) return;
    put_head(status, content_type, headers);
    out_ += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    if (!head_only_) out_ += body;
    complete();
}

void http_connection::begin_chunks(std::string_view content_type, const http_headers& headers) {
    if (closed_) return;
    put_head(200, content_type, headers);
    streaming_ = true;
    chunked_ = version_ >= 11;
    if (chunked_)
        out_ += "Transfer-Encoding: chunked\r\n\r\n";
    else
        keep_alive_ = false, out_ += "\r\n"; // HTTP/1.0: the end of the connection is the end of the body
    write();
}

void http_connection::chunk(std::string_view data) {
    if (closed_ || cut_off_ || data.empty()) return;
    // Behind a write that waits, that is: what one event brings may be more.
    if (!writing_.empty() && out_.size() + data.size() > among_->limits.unsent_bytes) {
        spdlog::warn("a client reads too slowly: {} bytes wait; closing its connection", out_.size());
        cut_off_ = true; // whose answer this is hears of it when it has said what it is saying
        return asio::post(socket_.get_executor(), [self = shared_from_this()] { self->close(); });
    }
    if (chunked_) {
        char size[24];
        std::snprintf(size, sizeof size, "%zx\r\n", data.size());
        out_ += size;
        out_ += data;
        out_ += "\r\n";
    } else {
        out_ += data;
    }
    write();
}

void http_connection::end_chunks() {
    if (closed_) return;
    if (chunked_) out_ += "0\r\n\r\n";
    complete();
}

void http_connection::cut() {
    keep_alive_ = false;
    complete();
}

void http_connection::put_head(unsigned status, std::string_view content_type, const http_headers& headers) {
    const auto reason = bhttp::obsolete_reason(static_cast<bhttp::status>(status));
    out_ += "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason.data(), reason.size()) + "\r\n";
    out_ += "Server: ashlar-serve\r\nContent-Type: " + std::string(content_type) + "\r\n";
    for (const auto& [name, value] : headers) out_ += name + ": " + value + "\r\n";
    if (!keep_alive_)
        out_ += "Connection: close\r\n";
    else if (version_ < 11)
        out_ += "Connection: keep-alive\r\n";
}

// The answer stands in out_: send it, then await the next request or close.
void http_connection::complete() {
    current_.reset();
    finishing_ = true;
    write();
}

// ---- requests

void http_connection::expect_request() {
    chunked_ = head_only_ = streaming_ = false;
    among_->all.splice(among_->all.end(), among_->all, place_);
    arm(among_->limits.idle_timeout);
}

void http_connection::read() {
    if (closed_ || reading_ || input_ended_) return;
    if (answering_ && ahead_.size() >= 64 << 10) return; // enough read ahead; resumed when the answer is out
    reading_ = true;
    socket_.async_read_some(ahead_.prepare(16 << 10), [self = shared_from_this()](error_code ec, std::size_t n) {
        self->reading_ = false;
        if (self->closed_) return;
        if (ec == asio::error::eof) return self->end_of_input();
        if (ec) return self->close();
        self->ahead_.commit(n);
        self->parse();
        self->read();
    });
}

void http_connection::end_of_input() {
    input_ended_ = true;
    if (!answering_ || lingering_) return close();
    socket_.async_wait(tcp::socket::wait_error, [self = shared_from_this()](error_code) { self->close(); });
    probe();
}

void http_connection::parse() {
    while (!answering_ && !closed_ && ahead_.size() != 0) {
        const bool begins = !reader_.started();
        auto found = reader_.read(ahead_);
        if (auto* message = std::get_if<http_message>(&found)) {
            dispatch(std::move(*message));
        } else if (const auto* why = std::get_if<http_refusal>(&found)) {
            refuse(*why);
        } else {
            if (begins) arm(among_->limits.request_timeout);
            if (reader_.wants_go()) out_ += "HTTP/1.1 100 Continue\r\n\r\n", write();
            return;
        }
    }
}

void http_connection::refuse(const http_refusal& why) {
    keep_alive_ = false;
    answering_ = true;
    version_ = 11;
    head_only_ = why.head_only;
    respond(why.status, "application/json", among_->refuse(why.status, why.why), {});
}

void http_connection::dispatch(http_message message) {
    answering_ = true;
    arm(std::chrono::seconds(0));
    head_only_ = message.head_only;
    keep_alive_ = message.keep_alive && !among_->stopping;
    version_ = message.version;
    probes_ = 0;
    current_ = std::make_shared<connection_exchange>(weak_from_this());
    among_->handle(std::move(message.request), current_);
    if (input_ended_) probe();
}

// ---- a client that has ended what it sends: is it there?

// HTTP/1.0 has no 100 (Continue): its client counts as gone where its answer has not begun.
void http_connection::probe() {
    if (closed_ || !current_) return;
    if (!streaming_ && version_ < 11) return close();
    probe_.expires_after(std::chrono::milliseconds(probes_ == 0 ? 250 : 1000)); // most answers are out by then
    probe_.async_wait([self = shared_from_this()](error_code ec) {
        if (ec || self->closed_ || !self->current_) return;
        self->say_nothing();
        self->probe();
    });
}

// A proxy may stand between that forwards the first bytes and knows only then; clients bear few of such answers.
void http_connection::say_nothing() {
    if (!out_.empty() || !writing_.empty()) return;
    ++probes_;
    if (streaming_) return chunk(":\n\n");
    if (probes_ <= 3) out_ += "HTTP/1.1 100 Continue\r\n\r\n", write();
}

// ---- bytes out

// Behind the handler that runs: what it has to say to an engine goes first, and all it says here goes out at once.
void http_connection::write() {
    if (closed_ || std::exchange(write_posted_, true)) return;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
        self->write_posted_ = false;
        if (!self->closed_ && self->writing_.empty()) self->write_now();
    });
}

void http_connection::write_now() {
    if (out_.empty()) {
        if (std::exchange(finishing_, false)) next();
        return;
    }
    writing_.swap(out_);
    written_ = 0;
    write_some();
}

void http_connection::write_some() {
    error_code ec;
    written_ += socket_.write_some(asio::buffer(writing_) + written_, ec);
    if (ec && ec != asio::error::would_block) return close();
    if (written_ == writing_.size()) {
        writing_.clear();
        return write_now();
    }
    arm(among_->limits.write_timeout);
    socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code failed) {
        if (self->closed_) return self->writing_.clear();
        if (failed) return self->close();
        self->arm(self->answering_ ? std::chrono::seconds(0) : self->among_->limits.request_timeout);
        self->write_some();
    });
}

void http_connection::next() {
    if (!keep_alive_) return linger();
    answering_ = false;
    expect_request();
    parse();
    if (input_ended_ && !answering_) return close();
    read();
}

// Say that no more comes, then wait a moment for the client's end, so that unread input does not reset the answer away.
void http_connection::linger() {
    if (input_ended_) return close();
    lingering_ = true;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    ahead_.consume(ahead_.size());
    arm(std::chrono::seconds(1));
    discard();
}

void http_connection::discard() {
    if (reading_) return; // the pending read ends the connection or comes back through read()
    reading_ = true;
    socket_.async_read_some(ahead_.prepare(16 << 10), [self = shared_from_this()](error_code ec, std::size_t) {
        self->reading_ = false;
        if (self->closed_) return;
        if (ec) return self->close();
        self->discard();
    });
}

// ---- time

void http_connection::arm(std::chrono::seconds after) {
    if (after.count() == 0) {
        timer_.cancel();
        return;
    }
    timer_.expires_after(after);
    timer_.async_wait([self = shared_from_this()](error_code ec) {
        if (ec || self->timer_.expiry() > asio::steady_timer::clock_type::now()) return;
        self->late();
    });
}

// Who began a request and does not end it is told so, whether its bytes come slowly or not at all.
void http_connection::late() {
    if (!reader_.started() || answering_ || !writing_.empty()) return close();
    refuse(reader_.late());
}

} // namespace serve
