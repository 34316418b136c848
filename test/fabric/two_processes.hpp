// SPDX-License-Identifier: Apache-2.0
// A child process with an endpoint of its own, for tests of what only two processes can show. The child writes its
// address and its region to a pipe, reads the parent's, serves until it is killed, and ends by itself after a minute.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <csignal>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <ashlar/fabric/concepts.hpp>

namespace ashlar::test {

struct introduction {
    std::array<std::byte, 512> address{};
    std::uint32_t size = 0;
    fabric::remote_region region{};
};

template <class F>
introduction introduce(const F& net, const fabric::region& r) {
    introduction i;
    i.size = static_cast<std::uint32_t>(net.address().size());
    REQUIRE(i.size <= i.address.size());
    std::copy(net.address().begin(), net.address().end(), i.address.begin());
    i.region = r.remote;
    return i;
}

class child {
public:
    // `body(read_fd, write_fd)` runs in the child and does not return to doctest.
    template <class Body>
    explicit child(Body&& body) {
        int down[2], up[2];
        REQUIRE(pipe(down) == 0);
        REQUIRE(pipe(up) == 0);
        pid_ = fork();
        if (pid_ == 0) {
            alarm(60);
            close(down[1]), close(up[0]);
            body(down[0], up[1]);
            _exit(0);
        }
        close(down[0]), close(up[1]);
        to_ = down[1], from_ = up[0];
    }
    ~child() {
        kill();
        close(to_), close(from_);
    }
    void tell(const introduction& i) { REQUIRE(write(to_, &i, sizeof i) == sizeof i); }
    introduction hear() {
        introduction i;
        pollfd p{from_, POLLIN, 0};
        REQUIRE(::poll(&p, 1, 20'000) == 1);
        REQUIRE(read(from_, &i, sizeof i) == sizeof i);
        return i;
    }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

private:
    pid_t pid_ = 0;
    int to_ = -1, from_ = -1;
};

// In the child: echo every immediate as a zero-length write back, plus one.
template <class F>
void serve_echo(F& net, const fabric::region& mine, int in, int out) {
    const introduction me = introduce(net, mine);
    introduction other;
    if (write(out, &me, sizeof me) != sizeof me || read(in, &other, sizeof other) != sizeof other) _exit(2);
    const auto peer = net.connect(std::span(other.address).first(other.size));
    if (!peer) _exit(3);
    std::vector<fabric::op> ops(4096);
    std::size_t next = 0;
    for (;;) {
        std::array<fabric::completion, 16> got;
        const std::size_t n = net.poll(got);
        for (std::size_t i = 0; i < n; ++i) {
            if (got[i].what != fabric::completion::kind::immediate) continue;
            while (!net.write(*peer, {&mine, 0, 0}, {other.region, 0}, got[i].immediate + 1, ops[next])) {
                // Immediates that come now are not echoed: the parent sends one at a time.
                std::array<fabric::completion, 16> rest;
                net.poll(rest);
            }
            next = (next + 1) % ops.size();
        }
        if (n == 0) net.wait(duration{1'000'000});
    }
}

// In the parent: `rounds` echoes, then kill -9, then peer_down within `patience_s`, every op ended, never a hang.
template <class F>
void echo_then_kill(F& net, const fabric::region& mine, child& c, int rounds) {
    using namespace fabric;
    const introduction other = c.hear();
    c.tell(introduce(net, mine));
    const auto peer = net.connect(std::span(other.address).first(other.size));
    REQUIRE(peer);
    const auto tries = [](auto&& done) {
        for (int i = 0; i < 20'000; ++i) {
            if (done()) return true;
        }
        return false;
    };
    std::array<completion, 16> got;
    for (int i = 0; i < rounds; ++i) {
        op o;
        REQUIRE(tries([&] {
            const auto r = net.write(*peer, {&mine, 0, 4096}, {other.region, 0}, static_cast<std::uint32_t>(2 * i), o);
            if (!r) net.poll({}), net.wait(duration{1'000'000});
            return bool(r);
        }));
        bool echoed = false;
        REQUIRE(tries([&] {
            const std::size_t n = net.poll(got);
            for (std::size_t j = 0; j < n; ++j) {
                echoed |= got[j].what == completion::kind::immediate &&
                          got[j].immediate == static_cast<std::uint32_t>(2 * i + 1);
            }
            if (n == 0) net.wait(duration{1'000'000});
            return echoed && o.status != op_status::pending;
        }));
        REQUIRE(o.status == op_status::done);
    }
    c.kill();
    std::vector<op> ops(20'000);
    std::size_t posted = 0, ended = 0, downs = 0;
    REQUIRE(tries([&] {
        if (downs == 0 && posted < ops.size() && net.send(*peer, std::as_bytes(std::span("hello", 5)), ops[posted]))
            ++posted;
        const std::size_t n = net.poll(got);
        for (std::size_t j = 0; j < n; ++j) {
            ended += got[j].what == completion::kind::operation;
            downs += got[j].what == completion::kind::peer_down;
        }
        if (n == 0) net.wait(duration{1'000'000});
        return downs > 0 && ended == posted;
    }));
    CHECK(downs == 1);
    op late;
    CHECK(net.send(*peer, std::as_bytes(std::span("x", 1)), late).error().code == errc::peer_down);
}

} // namespace ashlar::test
