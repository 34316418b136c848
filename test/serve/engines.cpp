// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <engines.hpp>
#include <link.hpp>

using namespace serve;

namespace {

// A router's side and whoever connects, in one loop of one thread.
struct world {
    world() {
        std::string why;
        const int fd = listen_on("127.0.0.1:0", 16, why);
        REQUIRE(fd >= 0);
        address = address_of(fd);
        all.accept_from(fd);
    }
    template <class Condition>
    bool until(Condition&& holds) {
        for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
             std::chrono::steady_clock::now() < end;) {
            if (holds()) return true;
            loop.restart(), loop.run_for(std::chrono::milliseconds(5));
        }
        return holds();
    }

    const ashlar::key128 key{1, 2};
    const ashlar::digest128 model{3, 4};
    int up = 0;
    std::string address;
    boost::asio::io_context loop;
    engines all{loop,
                {.key = key, .model = model, .heartbeat_ms = 1000},
                {.up = [this](const engine_connection&) { ++up; },
                 .down = [](const engine_connection&) {},
                 .admits = [](const wire::hello&) { return true; },
                 .heard = [](engine_connection&, wire::to_router&) {}}};
};

// The engine's end.
struct peer {
    explicit peer(const world& w) {
        std::string why;
        const int fd = connect_to(w.address, why);
        REQUIRE(fd >= 0);
        line = serve::link(fd);
    }
    // What comes next; false: the router has hung up.
    bool heard(world& w, wire::to_engine& frame) {
        bool got = false, open = true;
        w.until([&] {
            open = line.receive([&](std::span<const std::byte> body) { return got = wire::decode(body, frame); });
            return got || !open;
        });
        return got;
    }
    // Proves that it holds the key and says who it is.
    void join(world& w, wire::hello me) {
        wire::to_engine frame;
        REQUIRE(heard(w, frame));
        const ashlar::digest128 nonce{5, 6};
        line.send(wire::to_router(
            wire::response{wire::prove(w.key, "engine", std::get<wire::challenge>(frame).nonce, nonce), nonce}));
        REQUIRE(heard(w, frame));
        me.model = w.model;
        line.send(wire::to_router(me));
    }
    void say_length(std::uint32_t size) { REQUIRE(::send(line.fd(), &size, sizeof size, MSG_NOSIGNAL) == sizeof size); }
    serve::link line; // the C library has a link() too
};

} // namespace

TEST_CASE("who has not proved anything may begin no long frame; who has, may") {
    world w;
    peer stranger(w), engine(w);
    wire::to_engine frame;
    REQUIRE(stranger.heard(w, frame));
    stranger.say_length(1 << 20);
    CHECK(w.until([&] { return w.all.all().size() == 1; })); // else both go, when a hello comes too late
    CHECK_FALSE(stranger.heard(w, frame));

    wire::hello me;
    me.epoch = {7};
    me.address.resize(4096);
    engine.join(w, me);
    CHECK(w.until([&] { return w.up == 1; }));
}

TEST_CASE("without descriptors the router waits a moment for some, and does not spin") {
    world w;
    w.until([] { return true; });
    peer engine(w); // stands in the socket's queue
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::dup(0); // the lowest that is free
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const std::size_t steps = w.loop.run_for(std::chrono::milliseconds(450));
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(steps >= 2); // it has tried
    CHECK(steps <= 20);
    wire::to_engine frame;
    CHECK(engine.heard(w, frame));
}

TEST_CASE("an engine that comes back, with its endpoint or another, is watched for its end once") {
    world w;
    const auto watched = [] {
        std::ptrdiff_t count = 0;
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            count += std::filesystem::read_symlink(each, gone) == "anon_inode:[pidfd]";
        }
        return count;
    };
    wire::hello me;
    me.pid = static_cast<std::uint32_t>(::getpid()), me.pid_space = process_namespace(), me.member = 11;
    int times = 0;
    for (const std::uint64_t endpoint : {1, 2, 2, 3, 4}) {
        me.epoch = {endpoint};
        {
            peer engine(w);
            engine.join(w, me);
            REQUIRE(w.until([&] { return w.up == times + 1; }));
            CHECK(watched() == 1);
            ++times;
        }
        REQUIRE(w.until([&] { return w.all.all().empty(); }));
        CHECK(watched() == 1); // it may live on
    }
    peer old(w), anew(w); // whose first connection's end nobody has seen
    me.epoch = {5}, old.join(w, me);
    REQUIRE(w.until([&] { return w.up == times + 1; }));
    me.epoch = {6}, anew.join(w, me);
    REQUIRE(w.until([&] { return w.up == times + 2; }));
    CHECK(w.all.all().size() == 1);
    CHECK(watched() == 1);
    me.member = 12, me.epoch = {7}; // another process: both are watched
    peer other(w);
    other.join(w, me);
    REQUIRE(w.until([&] { return w.up == times + 3; }));
    CHECK(watched() == 2);
}
