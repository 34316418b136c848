// SPDX-License-Identifier: Apache-2.0
#include "http.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <spdlog/spdlog.h>

namespace serve {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

class session;

// What the handler holds. The session may die first.
class session_exchange final : public exchange {
public:
    explicit session_exchange(std::weak_ptr<session> to) : to_(std::move(to)) {}
    void reply(unsigned status, std::string_view content_type, std::string body, const http_headers& headers) override;
    void begin_events(const http_headers& headers) override;
    void send(std::string_view data) override;
    void finish() override;
    void abort() override;
    void client_left() {
        to_.reset();
        if (auto tell = std::exchange(on_gone, nullptr)) tell();
    }

private:
    std::weak_ptr<session> to_;
    bool streaming_ = false;
};

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    for (char c : text.substr(0, limit)) out += c > 0x20 && c < 0x7f ? c : '_';
    return out;
}

// Of "/path?query", or of "http://host/path?query", which is said to proxies and means the same here (RFC 9112, 3.2.2).
std::string_view path_of(std::string_view target) {
    target = target.substr(0, target.find('?'));
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!beast::iequals(target.substr(0, scheme.size()), scheme)) continue;
        const auto path = target.find('/', scheme.size());
        return path == target.npos ? "/" : target.substr(path);
    }
    return target;
}

} // namespace

struct http_server::state : std::enable_shared_from_this<http_server::state> {
    state(asio::io_context& loop, http_limits limits, handler handle, refusal refuse)
        : loop(loop), limits(limits), handle(std::move(handle)), refuse(std::move(refuse)), acceptor(loop),
          pause(loop) {}
    void accept();

    asio::io_context& loop;
    http_limits limits;
    handler handle;
    refusal refuse;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    bool make_room();
    void turn_away(tcp::socket socket);
    std::list<session*> sessions; // those that wait for a request longest come first
    bool stopping = false;        // answers close their connections
};

namespace {

// One connection. A single read loop feeds the parser while a request is awaited and keeps reading ahead, bounded,
// while one is answered: that is how a client's leaving is seen at every moment.
class session : public std::enable_shared_from_this<session> {
public:
    session(tcp::socket socket, std::shared_ptr<http_server::state> server)
        : socket_(std::move(socket)), server_(std::move(server)), timer_(socket_.get_executor()) {
        place_ = server_->sessions.insert(server_->sessions.end(), this);
    }
    ~session() { server_->sessions.erase(place_); }

    void start() {
        error_code ignored;
        socket_.set_option(tcp::no_delay(true), ignored);
        socket_.non_blocking(true, ignored);
        expect_request();
        read();
    }

    void respond(unsigned status, std::string_view content_type, std::string_view body, const http_headers& headers) {
        if (closed_) return;
        put_head(status, content_type, headers);
        out_ += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
        if (!head_only_) out_ += body;
        complete();
    }
    void begin_chunks(std::string_view content_type, const http_headers& headers) {
        if (closed_) return;
        put_head(200, content_type, headers);
        chunked_ = version_ >= 11;
        if (chunked_)
            out_ += "Transfer-Encoding: chunked\r\n\r\n";
        else
            keep_alive_ = false, out_ += "\r\n"; // HTTP/1.0: the end of the connection is the end of the body
        write();
    }
    void chunk(std::string_view data) {
        if (closed_ || cut_off_ || data.empty()) return;
        // Behind a write that waits, that is: what one event brings may be more.
        if (!writing_.empty() && out_.size() + data.size() > server_->limits.unsent_bytes) {
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
    void end_chunks() {
        if (closed_) return;
        if (chunked_) out_ += "0\r\n\r\n";
        complete();
    }
    // What was sent so far still goes out; the missing last chunk tells the client that the answer is not whole.
    void cut() {
        keep_alive_ = false;
        complete();
    }
    bool idle() const { return !closed_ && !answering_ && !parser_started_ && out_.empty() && writing_.empty(); }
    void close() {
        if (std::exchange(closed_, true)) return;
        const auto self = shared_from_this();
        error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_both, ignored);
        socket_.close(ignored);
        timer_.cancel();
        if (auto out = std::exchange(current_, nullptr)) out->client_left();
    }

private:
    void expect_request() {
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(server_->limits.header_bytes));
        parser_->body_limit(server_->limits.body_bytes);
        parser_started_ = false;
        head_bytes_ = 0;
        chunked_ = head_only_ = false;
        server_->sessions.splice(server_->sessions.end(), server_->sessions, place_);
        arm(server_->limits.idle_timeout);
    }

    void read() {
        if (closed_ || reading_) return;
        if (answering_ && ahead_.size() >= 64 << 10) return; // enough read ahead; resumed when the answer is out
        reading_ = true;
        socket_.async_read_some(ahead_.prepare(16 << 10), [self = shared_from_this()](error_code ec, std::size_t n) {
            self->reading_ = false;
            if (self->closed_) return;
            if (ec) return self->left();
            self->ahead_.commit(n);
            self->parse();
            self->read();
        });
    }
    // The client will send no more. While it waits for an answer that counts as leaving.
    void left() { close(); }

    void parse() {
        while (!answering_ && !closed_ && ahead_.size() != 0) {
            if (!parser_started_) parser_started_ = true, arm(server_->limits.request_timeout);
            error_code ec;
            const bool had_header = parser_->is_header_done();
            const std::size_t used = parser_->put(ahead_.data(), ec);
            ahead_.consume(used);
            if (!had_header) head_bytes_ += used;
            // The parser counts only what it has not yet taken; chunk extensions and trailers it waits for without end.
            const std::size_t most = server_->limits.header_bytes;
            if (head_bytes_ > most || (ec == bhttp::error::need_more && ahead_.size() > most))
                return refuse(bhttp::error::header_limit);
            if (ec == bhttp::error::need_more) return;
            if (ec) return refuse(ec);
            if (!had_header && parser_->is_header_done() && !parser_->is_done()) {
                if (parser_->content_length() && *parser_->content_length() > server_->limits.body_bytes)
                    return refuse(bhttp::error::body_limit);
                if (beast::iequals(parser_->get()[bhttp::field::expect], "100-continue")) {
                    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
                    write();
                }
            }
            if (parser_->is_done())
                dispatch();
            else if (used == 0)
                return;
        }
    }

    void refuse(error_code ec) {
        if (ec == bhttp::error::body_limit) return refuse(413, "the request body is larger than this server accepts");
        if (ec == bhttp::error::header_limit)
            return refuse(431, "the request header is larger than this server accepts");
        refuse(400, "the request is not valid HTTP/1.1");
    }
    void refuse(unsigned status, std::string_view why) {
        keep_alive_ = false;
        answering_ = true;
        version_ = 11;
        head_only_ = head_only_ || parser_->get().method() == bhttp::verb::head;
        respond(status, "application/json", server_->refuse(status, why), {});
    }

    void dispatch() {
        auto message = parser_->release();
        head_only_ = message.method() == bhttp::verb::head;
        if (message.version() >= 11 && message.count(bhttp::field::host) == 0)
            return refuse(bhttp::error::bad_field); // RFC 9112, section 3.2
        if (message.count(bhttp::field::transfer_encoding) != 0 && !message.chunked())
            return refuse(bhttp::error::bad_transfer_encoding); // section 6.3: where its body ends nobody can say
        answering_ = true;
        arm(std::chrono::seconds(0));
        keep_alive_ = message.keep_alive() && !server_->stopping;
        version_ = message.version();
        http_request request;
        request.method = std::string(message.method_string());
        request.path = std::string(path_of({message.target().data(), message.target().size()}));
        const auto id = message["x-request-id"];
        request.request_id = printable({id.data(), id.size()}, 128);
        const auto key = message[bhttp::field::authorization];
        request.authorization = std::string(key.data(), key.size());
        request.body = std::move(message.body());
        current_ = std::make_shared<session_exchange>(weak_from_this());
        server_->handle(std::move(request), current_);
    }

    void put_head(unsigned status, std::string_view content_type, const http_headers& headers) {
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
    void complete() {
        current_.reset();
        finishing_ = true;
        write();
    }

    // Behind the handler that runs: what it has to say to an engine goes first, and all it says here goes out at once.
    void write() {
        if (closed_ || std::exchange(write_posted_, true)) return;
        asio::post(socket_.get_executor(), [self = shared_from_this()] {
            self->write_posted_ = false;
            if (!self->closed_ && self->writing_.empty()) self->write_now();
        });
    }
    void write_now() {
        if (out_.empty()) {
            if (std::exchange(finishing_, false)) next();
            return;
        }
        writing_.swap(out_);
        written_ = 0;
        write_some();
    }
    void write_some() {
        error_code ec;
        written_ += socket_.write_some(asio::buffer(writing_) + written_, ec);
        if (ec && ec != asio::error::would_block) return close();
        if (written_ == writing_.size()) {
            writing_.clear();
            return write_now();
        }
        arm(server_->limits.write_timeout);
        socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code failed) {
            if (self->closed_) return self->writing_.clear();
            if (failed) return self->close();
            self->arm(self->answering_ ? std::chrono::seconds(0) : self->server_->limits.request_timeout);
            self->write_some();
        });
    }

    void next() {
        if (!keep_alive_) return linger();
        answering_ = false;
        expect_request();
        parse();
        read();
    }

    // Say that no more comes, then wait a moment for the client's end, so that unread input does not reset the answer
    // away.
    void linger() {
        error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        ahead_.consume(ahead_.size());
        arm(std::chrono::seconds(1));
        discard();
    }
    void discard() {
        if (reading_) return; // the pending read ends in left() or comes back through read()
        reading_ = true;
        socket_.async_read_some(ahead_.prepare(16 << 10), [self = shared_from_this()](error_code ec, std::size_t) {
            self->reading_ = false;
            if (self->closed_) return;
            if (ec) return self->close();
            self->discard();
        });
    }

    void arm(std::chrono::seconds after) {
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
    void late() {
        if (!parser_started_ || answering_ || !writing_.empty()) return close();
        refuse(408, "the request did not arrive in time");
    }

    tcp::socket socket_;
    std::shared_ptr<http_server::state> server_;
    std::list<session*>::iterator place_;
    asio::steady_timer timer_;
    beast::flat_buffer ahead_;
    std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
    std::shared_ptr<session_exchange> current_;
    std::string out_, writing_;
    std::size_t written_ = 0;    // of writing_
    std::size_t head_bytes_ = 0; // of the request that is being parsed
    unsigned version_ = 11;
    bool parser_started_ = false, answering_ = false, keep_alive_ = false, chunked_ = false, head_only_ = false;
    bool reading_ = false, write_posted_ = false, finishing_ = false, cut_off_ = false, closed_ = false;
};

void session_exchange::reply(unsigned status, std::string_view type, std::string body, const http_headers& headers) {
    on_gone = nullptr;
    if (auto to = std::exchange(to_, {}).lock()) to->respond(status, type, body, headers);
}
void session_exchange::begin_events(const http_headers& headers) {
    if (streaming_) return;
    streaming_ = true;
    http_headers all = headers;
    all.emplace_back("Cache-Control", "no-cache");
    if (auto to = to_.lock()) to->begin_chunks("text/event-stream; charset=utf-8", all);
}
void session_exchange::send(std::string_view data) {
    if (auto to = to_.lock()) to->chunk(data);
}
void session_exchange::finish() {
    on_gone = nullptr;
    if (auto to = std::exchange(to_, {}).lock()) to->end_chunks();
}
void session_exchange::abort() {
    on_gone = nullptr;
    if (auto to = std::exchange(to_, {}).lock()) to->cut();
}

} // namespace

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
        if (self->sessions.size() < self->limits.connections || self->make_room())
            std::make_shared<session>(std::move(socket), self)->start();
        else
            self->turn_away(std::move(socket));
        self->accept();
    });
}

// The connection that has waited longest for a request gives way: those that nobody uses keep nobody out.
bool http_server::state::make_room() {
    const auto it = std::find_if(sessions.begin(), sessions.end(), [](const session* each) { return each->idle(); });
    return it != sessions.end() && ((*it)->close(), true);
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
    : state_(std::make_shared<state>(loop, limits, std::move(handle), std::move(refuse))) {}

http_server::~http_server() {
    stop_accepting();
    for (auto* each : std::list<session*>(state_->sessions)) each->close();
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
    for (auto* each : std::list<session*>(state_->sessions)) {
        if (each->idle()) each->close();
    }
}

std::size_t http_server::connections() const { return state_->sessions.size(); }

} // namespace serve
