// SPDX-License-Identifier: Apache-2.0
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

using namespace serve;

namespace {

// A server and its clients in one loop of one thread.
struct world {
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
    explicit client(const world& w) {
        std::string why;
        fd = connect_to(w.address, why);
        REQUIRE(fd >= 0);
    }
    ~client() { leave(); }
    void say(const std::string& text) {
        REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }
    void leave() {
        if (fd >= 0) ::close(fd);
        fd = -1;
    }
    int fd = -1;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("a request gets its answer, and the connection serves the next one") {
    world w;
    w.start();
    client c(w);
    c.say("POST /a?x=1 HTTP/1.1\r\nHost: h\r\nX-Request-Id: my id\r\nAuthorization: Bearer k\r\nContent-Length: "
          "5\r\n\r\nhello");
    CHECK(has(w.read(c.fd), "\r\n\r\ngot 5 /a"));
    CHECK(w.request.request_id == "my_id"); // printable: it comes back in a header
    CHECK(w.request.authorization == "Bearer k");
    c.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); // two at once
    const auto both = w.read_to_end(c.fd);
    CHECK(has(both, "got 0 /b"));
    CHECK(has(both, "got 0 /c"));
}

TEST_CASE("a request may come byte by byte and in chunks") {
    world w;
    w.start();
    client c(w);
    for (const char each : std::string(
             "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        c.say(std::string(1, each)), w.turn(1);
    CHECK(has(w.read(c.fd), "got 5 /x"));
}

TEST_CASE("what is no HTTP, or too large, is refused in words and closed") {
    world w;
    w.limits.body_bytes = 1000;
    w.limits.header_bytes = 2000;
    w.start();
    const auto ask = [&](const std::string& text) {
        client c(w);
        c.say(text);
        return w.read_to_end(c.fd);
    };
    CHECK(has(ask("nonsense\r\n\r\n"), "HTTP/1.1 400 "));
    CHECK(has(ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n"), "HTTP/1.1 413 "));
    CHECK(has(ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2000, 'a') +
                  "\r\n0\r\n\r\n"),
              "HTTP/1.1 413 "));
    CHECK(has(ask("GET / HTTP/1.1\r\nX: " + std::string(3000, 'a') + "\r\n\r\n"), "HTTP/1.1 431 "));
    const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(has(ask(chunked + "1;" + std::string(3000, 'a')), "HTTP/1.1 431 "));    // an extension that does not end
    CHECK(has(ask(chunked + "0\r\n" + std::string(3000, 'a')), "HTTP/1.1 431 ")); // trailers that do not
    CHECK(has(ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nGET / HTTP/1.1\r\n"), "HTTP/1.1 400 "));
    CHECK(w.handled == 0);
}

TEST_CASE("a head has its limit however it is cut: into many lines, into pieces, behind the last chunk") {
    world w;
    w.limits.header_bytes = 2000;
    w.start();
    std::string lines;
    for (int i = 0; i < 500; ++i) lines += "a: b\r\n";
    const std::string chunks = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    for (const std::string& text :
         {"GET / HTTP/1.1\r\nHost: h\r\n" + lines, chunks + "0\r\n" + lines, chunks + "1;" + std::string(4000, 'e')}) {
        for (const std::size_t piece : {std::size_t{100}, text.size()}) {
            client c(w);
            std::string answer;
            for (std::size_t at = 0; at < text.size() && answer.empty(); at += piece) {
                c.say(text.substr(at, piece));
                w.turn(5), w.take(c.fd, answer);
            }
            if (answer.empty()) answer = w.read(c.fd);
            CHECK(has(answer, "HTTP/1.1 431 "));
        }
    }
    CHECK(w.handled == 0);
}

TEST_CASE("a client that waits for a go gets one") {
    world w;
    w.start();
    client c(w);
    c.say("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    CHECK(w.read(c.fd) == "HTTP/1.1 100 Continue\r\n\r\n");
    c.say("abc");
    CHECK(has(w.read(c.fd), "got 3 /x"));
}

TEST_CASE("a stream is chunked, ends cleanly, and the connection lives on") {
    world w;
    w.answer = false;
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    w.asked().begin_events({{"X-Request-Id", "7"}});
    w.last->send("data: 1\n\n");
    const auto first = w.read(c.fd);
    CHECK(has(first, "Content-Type: text/event-stream"));
    CHECK(has(first, "X-Request-Id: 7\r\n"));
    CHECK(has(first, "\r\n\r\n9\r\ndata: 1\n\n\r\n"));
    w.last->send("data: [DONE]\n\n");
    w.last->finish();
    bool ended = false;
    CHECK(w.read(c.fd, &ended) == "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    CHECK_FALSE(ended);
    w.answer = true;
    c.say("GET /t HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(w.read(c.fd), "got 0 /t"));
    CHECK(w.gone == 0);
}

TEST_CASE("a stream that is cut ends without its last chunk") {
    world w;
    w.answer = false;
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    w.asked().begin_events();
    w.last->send("data: {\"error\":1}\n\n");
    w.last->abort();
    const auto got = w.read_to_end(c.fd);
    CHECK(has(got, "{\"error\":1}"));
    CHECK_FALSE(has(got, "\r\n0\r\n"));
}

TEST_CASE("a client's leaving is told once, before the answer and during it, and not after it") {
    for (const bool streaming : {false, true}) {
        world w;
        w.answer = false;
        w.start();
        client c(w);
        c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\nGET /ahead");
        w.asked();
        if (streaming) w.last->begin_events(), w.last->send("data: 1\n\n"), w.turn();
        c.leave();
        CHECK(w.until([&] { return w.gone == 1; }));
        w.last->send("more"); // nobody there: nothing happens
        w.last->finish();
        w.turn();
        CHECK(w.gone == 1);
        CHECK(w.until([&] { return w.server->connections() == 0; }));
    }
    world w;
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    w.asked();
    c.leave();
    CHECK(w.until([&] { return w.server->connections() == 0; }));
    CHECK(w.gone == 0);
}

TEST_CASE("a client that does not read is cut off before its answer fills the memory") {
    world w;
    w.answer = false;
    w.limits.unsent_bytes = 1 << 20;
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    w.asked().begin_events();
    bool speaking = false, interrupted = false;
    w.last->on_gone = [&] { ++w.gone, interrupted = speaking; };
    for (int i = 0; i < 2000 && w.gone == 0; ++i) {
        speaking = true;
        w.last->send(std::string(64 << 10, 'x'));
        w.last->send("and more, before it can know");
        speaking = false;
        w.turn(1);
    }
    CHECK(w.gone == 1);
    CHECK_FALSE(interrupted); // what speaks may be gone once it is told
}

TEST_CASE("a client that reads gets what one moment brings, however much") {
    world w;
    w.answer = false;
    w.limits.unsent_bytes = 1 << 20;
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    w.asked().begin_events();
    for (int i = 0; i < 64; ++i) w.last->send(std::string(64 << 10, 'x'));
    w.last->finish();
    const auto got = w.read_to_end(c.fd);
    CHECK(got.size() > std::size_t{4} << 20);
    CHECK(got.ends_with("0\r\n\r\n"));
    CHECK(w.gone == 0);
}

TEST_CASE("a client that reads slowly but reads gets all of a long answer") {
    world w;
    w.answer = false;
    w.limits.write_timeout = std::chrono::seconds(2);
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    w.asked();
    const std::size_t size = 16 << 20; // more than the sockets hold
    w.last->reply(200, "text/plain", std::string(size, 'x'));
    std::size_t got = 0;
    std::vector<char> buffer(32 << 10);
    using std::chrono::steady_clock;
    const auto began = steady_clock::now();
    const auto pace = std::chrono::duration<double>(3) / size; // longer than one write may take; who is late catches up
    for (ssize_t n = 1; n != 0 && got <= size && steady_clock::now() - began < std::chrono::seconds(60);) {
        do w.turn(2), w.loop.poll();
        while (steady_clock::now() - began < pace * got);
        n = ::recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n > 0) got += static_cast<std::size_t>(n);
    }
    CHECK(steady_clock::now() - began > w.limits.write_timeout);
    CHECK(got > size);
}

TEST_CASE("a request that does not arrive in time is 408, though a byte comes now and then") {
    world w;
    w.limits.request_timeout = std::chrono::seconds(1);
    w.start();
    client slow(w);
    slow.say("POST /x HTTP/1.1\r\nX: ");
    std::string answer;
    for (int i = 0; i < 400 && answer.empty(); ++i) { // with a second for each byte it would never come
        (void)::send(slow.fd, "n", 1, MSG_NOSIGNAL);
        w.turn(50), w.take(slow.fd, answer);
    }
    CHECK(has(answer, "HTTP/1.1 408 "));
    slow.leave();
    CHECK(w.until([&] { return w.server->connections() == 0; }));
    CHECK(w.handled == 0);
}

TEST_CASE("while all connections are in use others are 503") {
    world w;
    w.limits.connections = 2;
    w.answer = false;
    w.start();
    client leaves(w), waits(w);
    for (client* each : {&leaves, &waits}) each->say("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    REQUIRE(w.until([&] { return w.handled == 2; }));
    client third(w);
    CHECK(has(w.read(third.fd), "HTTP/1.1 503 "));
    leaves.leave();
    CHECK(w.until([&] { return w.server->connections() == 1; }));
    w.answer = true;
    client fourth(w);
    fourth.say("GET /ok HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(w.read(fourth.fd), "got 0 /ok"));
}

TEST_CASE("at the limit the connection that has waited longest for a request gives way") {
    world w;
    w.limits.connections = 2;
    w.start();
    client silent(w), between(w);
    CHECK(w.until([&] { return w.server->connections() == 2; }));
    between.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(w.read(between.fd), "got 0 /1"));
    client newest(w);
    newest.say("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(w.read(newest.fd), "got 0 /2"));
    w.read_to_end(silent.fd);
    between.say("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(w.read(between.fd), "got 0 /3"));
    CHECK(w.server->connections() == 2);
}

TEST_CASE("HTTP/1.1 without a Host is refused, HTTP/1.0 needs none") {
    world w;
    w.start();
    client modern(w), old(w);
    modern.say("GET /a HTTP/1.1\r\n\r\n");
    CHECK(has(w.read(modern.fd), "400"));
    old.say("GET /a HTTP/1.0\r\n\r\n");
    CHECK(has(w.read(old.fd), "got 0 /a"));
    CHECK(w.handled == 1);
}

TEST_CASE("HEAD gets no body, whatever the answer") {
    world w;
    w.start();
    for (const char* head : {"HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HEAD /a HTTP/1.1\r\n\r\n",
                             "HEAD /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
                             "HEAD /a HTTP/1.1\r\nHost: h\r\nno header\r\n\r\n"}) {
        client c(w);
        c.say(head);
        INFO(head);
        const auto answer = w.read_to_end(c.fd);
        CHECK(has(answer, w.last ? "HTTP/1.1 200 " : "HTTP/1.1 400 "));
        CHECK(answer.find("\r\n\r\n") == answer.size() - 4);
        w.last.reset();
    }
    CHECK(w.handled == 1);
}

TEST_CASE("a target may be written as proxies get it") {
    world w;
    w.start();
    client c(w);
    for (const auto& [target, path] :
         std::vector<std::pair<std::string, std::string>>{{"http://h/a/b?x=/y", "/a/b"},
                                                          {"HTTPS://u@h:80/a", "/a"},
                                                          {"http://h?x", "/"},
                                                          {"http://h", "/"},
                                                          {"/http://h/a", "/http://h/a"}}) {
        c.say("GET " + target + " HTTP/1.1\r\nHost: other\r\n\r\n");
        INFO(target);
        CHECK(has(w.read(c.fd), "\r\n\r\ngot 0 " + path));
        CHECK(w.request.path == path);
    }
}

TEST_CASE("a length and chunks at once, or two lengths, are no request: whose end is where?") {
    world w;
    w.start();
    for (const char* lengths :
         {"Content-Length: 3\r\nTransfer-Encoding: chunked", "Content-Length: 3\r\nContent-Length: 4",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"}) {
        client c(w);
        c.say(std::string("POST /a HTTP/1.1\r\nHost: h\r\n") + lengths + "\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        INFO(lengths);
        CHECK(has(w.read(c.fd), "HTTP/1.1 400"));
    }
    CHECK(w.handled == 0);
}

TEST_CASE("while it drains a server still answers newcomers, and lets go of each connection") {
    world w;
    w.start();
    client before(w);
    before.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(w.read(before.fd), "got 0 /a"));
    w.server->last_answers();
    for (client* c : {&before, new client(w)}) {
        c->say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
        const auto answer = w.read_to_end(c->fd);
        CHECK(has(answer, "got 0 /b"));
        CHECK(has(answer, "Connection: close"));
        if (c != &before) delete c;
    }
}
