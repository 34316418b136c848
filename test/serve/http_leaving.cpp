// SPDX-License-Identifier: Apache-2.0
// Clients that leave, and such as only end what they send (RFC 9112, 9.6).
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <utility>

#include "http_world.hpp"

using namespace serve::test;

TEST_CASE("a client's leaving is told once, before the answer and during it, and not after it") {
    for (const bool streaming : {false, true}) {
        http_world w;
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
    http_world w;
    w.start();
    client c(w);
    c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    w.asked();
    c.leave();
    CHECK(w.until([&] { return w.server->connections() == 0; }));
    CHECK(w.gone == 0);
}

TEST_CASE("what came whole before a client ended what it sends is answered, in order, then the connection closes") {
    http_world w;
    w.start();
    client c(w);
    std::string all;
    for (const char* path : {"/1", "/2", "/3"})
        all += "POST " + std::string(path) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab";
    c.say(all + "GET /half HTTP/1.1\r\nHo");
    c.say_no_more();
    const auto got = w.read_to_end(c.fd);
    const auto first = got.find("got 2 /1"), second = got.find("got 2 /2"), third = got.find("got 2 /3");
    CHECK(first < second);
    CHECK(second < third);
    CHECK(third != std::string::npos);
    CHECK(w.handled == 3);
    CHECK(w.gone == 0);
    CHECK(w.until([&] { return w.server->connections() == 0; }));
}

TEST_CASE("a client that only waits gets its answer however long that takes, and what says nothing before it") {
    http_world w;
    w.answer = false;
    w.start();
    client c(w);
    c.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    c.say_no_more();
    w.asked();
    std::string got;
    CHECK(w.until([&] { return w.take(c.fd, got), got == "HTTP/1.1 100 Continue\r\n\r\n"; }));
    std::exchange(w.last, nullptr)->reply(200, "text/plain", "late");
    w.asked().begin_events(); // of the second request
    CHECK(w.request.path == "/b");
    CHECK(w.until([&] { return w.take(c.fd, got), has(got, "3\r\n:\n\n\r\n"); }));
    w.last->send("data: 1\n\n");
    w.last->finish();
    got += w.read_to_end(c.fd);
    CHECK(got.find("late") < got.find("data: 1\n\n\r\n0\r\n\r\n"));
    CHECK(got.ends_with("0\r\n\r\n"));
    CHECK(w.gone == 0);
}

TEST_CASE("of a client that waits for long little is said before its answer") {
    http_world w;
    w.answer = false;
    w.start();
    client c(w);
    c.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    c.say_no_more();
    w.asked();
    std::string got;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (std::chrono::steady_clock::now() < end) w.turn(), w.take(c.fd, got);
    w.last->reply(200, "text/plain", "late");
    got += w.read_to_end(c.fd);
    CHECK(got.find("HTTP/1.1 200 ") == 3 * std::string("HTTP/1.1 100 Continue\r\n\r\n").size());
    CHECK(has(got, "late"));
}

TEST_CASE("HTTP/1.0 knows no answer before the answer: who ends what it sends gets what is there at once") {
    http_world w;
    w.start();
    client quick(w);
    quick.say("GET /a HTTP/1.0\r\n\r\n");
    quick.say_no_more();
    CHECK(has(w.read_to_end(quick.fd), "got 0 /a"));
    w.answer = false;
    client waits(w);
    waits.say("GET /b HTTP/1.0\r\n\r\n");
    waits.say_no_more();
    CHECK(w.read_to_end(waits.fd).empty());
    CHECK(w.gone == 1);
}

TEST_CASE("who has gone for good is found out though it first ended what it sends: of whole answers and of streams") {
    for (const bool streaming : {false, true}) {
        http_world w;
        w.answer = false;
        w.start();
        client c(w);
        c.say("GET /s HTTP/1.1\r\nHost: h\r\n\r\nGET /behind HTTP/1.1\r\nHost: h\r\n\r\n");
        w.asked();
        if (streaming) w.last->begin_events();
        c.say_no_more();
        w.turn(100), w.read(c.fd);
        CHECK(w.gone == 0);
        c.leave();
        CHECK(w.until([&] { return w.gone == 1 && w.server->connections() == 0; }));
        CHECK(w.handled == 1);
    }
}
