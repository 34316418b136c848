// SPDX-License-Identifier: Apache-2.0
// An HTTP server and its clients in one loop of one thread.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <http.hpp>
#include <link.hpp>

namespace serve::test {

struct http_world {
    boost::asio::io_context loop;
    http_limits limits;
    std::shared_ptr<exchange> last;
    http_request request;
    int handled = 0, gone = 0;
    bool answer = true;
    std::unique_ptr<http_server> server;
    std::string address;

    void start() {
        server = std::make_unique<http_server>(
            loop, limits,
            [this](http_request r, std::shared_ptr<exchange> out) {
                ++handled;
                request = std::move(r);
                last = out;
                out->on_gone = [this] { ++gone; };
                if (answer)
                    out->reply(200, "text/plain", "got " + std::to_string(request.body.size()) + " " + request.path);
            },
            [](unsigned status, std::string_view why) { return std::to_string(status) + ": " + std::string(why); });
        std::string why;
        const int fd = listen_on("127.0.0.1:0", 16, why);
        REQUIRE(fd >= 0);
        address = address_of(fd);
        server->accept_from(fd);
    }
    void turn(int ms = 30) { loop.restart(), loop.run_for(std::chrono::milliseconds(ms)); }
    template <class Condition>
    bool until(Condition&& holds) { // false: not within any time that a busy machine may take
        for (int i = 0; i < 4000 && !holds(); ++i) turn(5);
        return holds();
    }
    // What has come by now, into `got`; false: the server closed.
    static bool take(int fd, std::string& got) {
        char buffer[4096];
        ssize_t n = 0;
        while ((n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            got.append(buffer, static_cast<std::size_t>(n));
        return n != 0;
    }
    // Waits for something, then for more until the loop has turned often and nothing came; `ended`: the server closed.
    // Turns count, not time: who is not run for a while has not waited.
    std::string read(int fd, bool* ended = nullptr) {
        std::string got;
        bool open = true;
        until([&] { return !(open = take(fd, got)) || !got.empty(); });
        for (int quiet = 0; open && quiet < 12; ++quiet) {
            const auto before = got.size();
            turn(5), loop.poll();
            open = take(fd, got);
            if (got.size() != before) quiet = -1;
        }
        if (ended) *ended = !open;
        return got;
    }
    std::string read_to_end(int fd) { // of the connection
        std::string got;
        CHECK(until([&] { return !take(fd, got); }));
        return got;
    }
    exchange& asked() { // the request that was said has come
        REQUIRE(until([&] { return last != nullptr; }));
        return *last;
    }
};

struct client {
    explicit client(const http_world& w) {
        std::string why;
        fd = connect_to(w.address, why);
        REQUIRE(fd >= 0);
    }
    ~client() { leave(); }
    void say(const std::string& text) {
        REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }
    void say_no_more() { REQUIRE(::shutdown(fd, SHUT_WR) == 0); }
    void leave() {
        if (fd >= 0) ::close(fd);
        fd = -1;
    }
    int fd = -1;
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace serve::test
