// SPDX-License-Identifier: Apache-2.0
// What a client sends, as requests within limits: no socket, no clock.
//
//     http_reader reader(limits);
//     const auto found = reader.read(buffer);      // a request, a refusal that ends the connection, or not enough yet
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http.hpp"

namespace serve {

struct http_message {
    http_request request;
    unsigned version = 11;
    bool head_only = false; // the answer has no body
    bool keep_alive = true;
};

struct http_refusal {
    unsigned status = 400;
    std::string_view why;
    bool head_only = false;
};

class http_reader {
public:
    explicit http_reader(const http_limits& limits) : limits_(limits) { begin(); }

    using found = std::variant<std::monostate, http_message, http_refusal>;
    found read(boost::beast::flat_buffer& in); // takes what belongs to the request, not more; nothing behind a refusal
    bool started() const { return started_; }  // bytes of a request have come, not all
    bool wants_go();                           // told once: its client waits for 100 (Continue)
    http_refusal late() const;                 // for a request that does not come to its end

private:
    void begin();
    http_refusal refused(unsigned status, std::string_view why) const;
    http_refusal refused(boost::system::error_code why) const;
    found whole();

    const http_limits& limits_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
    std::size_t head_bytes_ = 0;
    bool started_ = false, wants_go_ = false;
};

} // namespace serve
