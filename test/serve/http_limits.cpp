// SPDX-License-Identifier: Apache-2.0
// What is too large, too slow or too much: refused in words, or cut off, while others go on.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "http_world.hpp"

using namespace serve::test;

TEST_CASE("what is no HTTP, or too large, is refused in words and closed") {
    http_world w;
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
    http_world w;
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

TEST_CASE("a client that does not read is cut off before its answer fills the memory") {
    http_world w;
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
    http_world w;
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
    http_world w;
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
    http_world w;
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
    http_world w;
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
    http_world w;
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
