// SPDX-License-Identifier: Apache-2.0
#include "http_reader.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace serve {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;

namespace {

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

void http_reader::begin() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    parser_->body_limit(limits_.body_bytes);
    started_ = wants_go_ = false;
    head_bytes_ = 0;
}

bool http_reader::wants_go() { return std::exchange(wants_go_, false); }

http_reader::found http_reader::read(beast::flat_buffer& in) {
    while (in.size() != 0) {
        started_ = true;
        error_code ec;
        const bool had_header = parser_->is_header_done();
        const std::size_t used = parser_->put(in.data(), ec);
        in.consume(used);
        if (!had_header) head_bytes_ += used;
        // The parser counts only what it has not yet taken; chunk extensions and trailers it waits for without end.
        const std::size_t most = limits_.header_bytes;
        if (head_bytes_ > most || (ec == bhttp::error::need_more && in.size() > most))
            return refused(bhttp::error::header_limit);
        if (ec == bhttp::error::need_more) return {};
        if (ec) return refused(ec);
        if (!had_header && parser_->is_header_done() && !parser_->is_done()) {
            if (parser_->content_length() && *parser_->content_length() > limits_.body_bytes)
                return refused(bhttp::error::body_limit);
            wants_go_ = beast::iequals(parser_->get()[bhttp::field::expect], "100-continue");
        }
        if (parser_->is_done()) return whole();
        if (used == 0) break;
    }
    return {};
}

http_reader::found http_reader::whole() {
    const auto& head = parser_->get();
    if (head.version() >= 11 && head.count(bhttp::field::host) == 0)
        return refused(bhttp::error::bad_field); // RFC 9112, section 3.2
    if (head.count(bhttp::field::transfer_encoding) != 0 && !head.chunked())
        return refused(bhttp::error::bad_transfer_encoding); // section 6.3: where its body ends nobody can say
    auto message = parser_->release();
    begin();
    http_message out{.request = {},
                     .version = message.version(),
                     .head_only = message.method() == bhttp::verb::head,
                     .keep_alive = message.keep_alive()};
    out.request.method = std::string(message.method_string());
    out.request.path = std::string(path_of({message.target().data(), message.target().size()}));
    const auto id = message["x-request-id"];
    out.request.request_id = printable({id.data(), id.size()}, 128);
    const auto key = message[bhttp::field::authorization];
    out.request.authorization = std::string(key.data(), key.size());
    out.request.body = std::move(message.body());
    return out;
}

http_refusal http_reader::refused(unsigned status, std::string_view why) const {
    return {status, why, parser_->get().method() == bhttp::verb::head};
}
http_refusal http_reader::refused(error_code why) const {
    if (why == bhttp::error::body_limit) return refused(413, "the request body is larger than this server accepts");
    if (why == bhttp::error::header_limit) return refused(431, "the request header is larger than this server accepts");
    return refused(400, "the request is not valid HTTP/1.1");
}
http_refusal http_reader::late() const { return refused(408, "the request did not arrive in time"); }

} // namespace serve
