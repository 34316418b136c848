// SPDX-License-Identifier: Apache-2.0
// Requests and their answers, whole and as streams.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "http_world.hpp"

using namespace serve::test;

TEST_CASE("a request gets its answer, and the connection serves the next one") {
    http_world w;
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
    http_world w;
    w.start();
    client c(w);
    for (const char each : std::string(
             "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        c.say(std::string(1, each)), w.turn(1);
    CHECK(has(w.read(c.fd), "got 5 /x"));
}

TEST_CASE("a client that waits for a go gets one") {
    http_world w;
    w.start();
    client c(w);
    c.say("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    CHECK(w.read(c.fd) == "HTTP/1.1 100 Continue\r\n\r\n");
    c.say("abc");
    CHECK(has(w.read(c.fd), "got 3 /x"));
}

TEST_CASE("a stream is chunked, ends cleanly, and the connection lives on") {
    http_world w;
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
    http_world w;
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

TEST_CASE("HTTP/1.1 without a Host is refused, HTTP/1.0 needs none") {
    http_world w;
    w.start();
    client modern(w), old(w);
    modern.say("GET /a HTTP/1.1\r\n\r\n");
    CHECK(has(w.read(modern.fd), "400"));
    old.say("GET /a HTTP/1.0\r\n\r\n");
    CHECK(has(w.read(old.fd), "got 0 /a"));
    CHECK(w.handled == 1);
}

TEST_CASE("HEAD gets no body, whatever the answer") {
    http_world w;
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
    http_world w;
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
    http_world w;
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
    http_world w;
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
