// SPDX-License-Identifier: Apache-2.0
// A stream socket that never blocks, with frames on it. The router waits for it in its loop, an engine polls it between
// layers; both use these calls only.
//
//     link to_router(fd);   to_router.send(wire::to_router(wire::batch_done{id}));
//     if (!to_router.receive([&](std::span<const std::byte> body) { return handle(body); })) gone();
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wire.hpp"

namespace serve {

class link {
public:
    link() = default;
    explicit link(int fd); // takes it over and makes it non-blocking
    link(link&& other) noexcept { *this = std::move(other); }
    link& operator=(link&& other) noexcept;
    ~link() { close(); }

    int fd() const { return fd_; }
    bool open() const { return fd_ >= 0; }
    void close();

    template <class... T>
    void queue(const std::variant<T...>& frame) { // until the next `flush`
        if (open()) wire::append(out_, frame);
    }
    // Queues the frame and writes what the socket takes now.
    template <class... T>
    void send(const std::variant<T...>& frame) {
        queue(frame);
        flush();
    }
    bool flush(); // false: the peer is gone, or reads too slowly; what it said last can still be received
    bool wants_write() const { return open() && sent_ < out_.size(); }

    void take_at_most(std::size_t frame_bytes) { in_.take_at_most(frame_bytes); }
    // Reads what is there and hands over each frame's body; false at the end, or when `handle` says so: then close.
    bool receive(const std::function<bool(std::span<const std::byte>)>& handle);

private:
    static constexpr std::size_t unsent_max = 256 << 20;
    int fd_ = -1;
    std::vector<std::byte> out_;
    std::size_t sent_ = 0;
    wire::splitter in_;
};

// "host:port", "[v6]:port", or "@name" for a socket in Linux's abstract namespace. -1 with `why` when it fails.
int connect_to(const std::string& address, std::string& why);
int listen_on(const std::string& address, int backlog, std::string& why);
bool is_loopback(const std::string& address);     // abstract names too
bool is_of_this_machine(const std::string& host); // a host without a port
std::uint64_t process_namespace();
// A descriptor that is readable once the process behind a socket of this machine has ended; -1 where nobody can tell.
int process_behind(int socket_fd, std::uint32_t pid, std::uint64_t pid_space);
std::string address_of(int listening_fd); // as a client would write it

ashlar::key128 random_key();
std::uint64_t random_word();

} // namespace serve
