// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace serve {

link::link(int fd) : fd_(fd) {
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
    const int on = 1;
    const int patience_ms = 10'000; // a peer whose machine is gone acknowledges nothing and says no goodbye
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // fails on a Unix socket, which needs none; so does:
    ::setsockopt(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
    ::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

link& link::operator=(link&& other) noexcept {
    if (this == &other) return *this;
    close();
    fd_ = std::exchange(other.fd_, -1);
    out_ = std::move(other.out_);
    sent_ = std::exchange(other.sent_, 0);
    in_ = std::move(other.in_);
    return *this;
}

void link::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    out_.clear();
    sent_ = 0;
    in_ = {};
}

bool link::flush() {
    while (open() && sent_ < out_.size()) {
        const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
        if (n > 0) {
            sent_ += static_cast<std::size_t>(n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && out_.size() - sent_ <= unsent_max) {
            break;
        } else {
            // Only the write side is over: what the peer said last can still be read, then its end shows.
            ::shutdown(fd_, SHUT_RDWR);
            out_.clear();
            sent_ = 0;
            return false;
        }
    }
    if (sent_ == out_.size())
        out_.clear(), sent_ = 0;
    else if (sent_ > 1 << 20)
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_)), sent_ = 0;
    return open();
}

bool link::receive(const std::function<bool(std::span<const std::byte>)>& handle) {
    std::byte buffer[64 << 10];
    while (open()) {
        const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
        if (n <= 0) return false;
        in_.add({buffer, static_cast<std::size_t>(n)});
        for (std::span<const std::byte> body;;) {
            const auto got = in_.next(body);
            if (got == wire::splitter::outcome::more) break;
            if (got == wire::splitter::outcome::broken || !handle(body)) return false;
        }
        if (static_cast<std::size_t>(n) < sizeof buffer) return true;
    }
    return false;
}

namespace {

struct endpoint_name {
    sockaddr_storage bytes{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

// All that the address stands for, in the system's order of preference; empty with `why`.
std::vector<endpoint_name> resolve(const std::string& address, bool passive, std::string& why) {
    std::vector<endpoint_name> names;
    if (!address.empty() && address[0] == '@') {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        if (address.size() > sizeof un.sun_path) return why = "the name " + address + " is too long", names;
        std::memcpy(un.sun_path + 1, address.data() + 1, address.size() - 1);
        endpoint_name& name = names.emplace_back();
        std::memcpy(&name.bytes, &un, sizeof un);
        name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
        return names;
    }
    const auto colon = address.rfind(':');
    if (colon == std::string::npos) return why = "'" + address + "' is not HOST:PORT", names;
    std::string host = address.substr(0, colon);
    const std::string port = address.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    addrinfo want{};
    want.ai_socktype = SOCK_STREAM;
    want.ai_flags = (passive ? AI_PASSIVE : 0) | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int ec = ::getaddrinfo(host.c_str(), port.c_str(), &want, &found); ec != 0)
        return why = "'" + address + "': " + ::gai_strerror(ec), names;
    for (const addrinfo* each = found; each; each = each->ai_next) {
        endpoint_name& name = names.emplace_back();
        std::memcpy(&name.bytes, each->ai_addr, each->ai_addrlen);
        name.size = each->ai_addrlen;
    }
    ::freeaddrinfo(found);
    return names;
}

// The first of them that `works`, as a socket; `works` leaves errno otherwise.
template <class Works>
int first_of(const std::string& address, bool passive, std::string& why, Works&& works) {
    for (const endpoint_name& name : resolve(address, passive, why)) {
        const int fd = ::socket(name.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && works(fd, name)) return fd;
        why = address + ": " + std::strerror(errno);
        if (fd >= 0) ::close(fd);
    }
    return -1;
}

// Returns within `patience_ms`, or when a signal comes.
bool connect_within(int fd, const endpoint_name& name, int patience_ms) {
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (::connect(fd, name.get(), name.size) != 0) {
        if (errno != EINPROGRESS) return false; // of a full Unix socket: EAGAIN
        pollfd watch{fd, POLLOUT, 0};
        const int ready = ::poll(&watch, 1, patience_ms);
        if (ready == 0) errno = ETIMEDOUT;
        if (ready <= 0) return false;
        int fault = 0;
        socklen_t size = sizeof fault;
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size);
        if ((errno = fault) != 0) return false;
    }
    ::fcntl(fd, F_SETFL, flags);
    return true;
}

} // namespace

int connect_to(const std::string& address, std::string& why) {
    return first_of(address, false, why,
                    [](int fd, const endpoint_name& name) { return connect_within(fd, name, 3000); });
}

int listen_on(const std::string& address, int backlog, std::string& why) {
    return first_of(address, true, why, [&](int fd, const endpoint_name& name) {
        const int on = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        return ::bind(fd, name.get(), name.size) == 0 && ::listen(fd, backlog) == 0;
    });
}

bool is_loopback(const std::string& address) {
    std::string why;
    const auto names = resolve(address, true, why);
    return !names.empty() && std::all_of(names.begin(), names.end(), [](const endpoint_name& name) {
        if (name.bytes.ss_family == AF_UNIX) return true;
        if (name.bytes.ss_family == AF_INET)
            return (ntohl(reinterpret_cast<const sockaddr_in&>(name.bytes).sin_addr.s_addr) >> 24) == 127;
        return bool(IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(name.bytes).sin6_addr));
    });
}

bool is_of_this_machine(const std::string& host) {
    std::string why;
    const int fd = listen_on((host.find(':') == std::string::npos ? host : "[" + host + "]") + ":0", 1, why);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

std::uint64_t process_namespace() {
    struct stat found{};
    return ::stat("/proc/self/ns/pid", &found) == 0 ? found.st_ino : 0;
}

int process_behind(int socket_fd, std::uint32_t pid, std::uint64_t pid_space) {
    sockaddr_storage bytes{};
    socklen_t size = sizeof bytes;
    if (pid_space == 0 || pid_space != process_namespace() ||
        ::getpeername(socket_fd, reinterpret_cast<sockaddr*>(&bytes), &size) != 0)
        return -1;
    const auto& in = reinterpret_cast<const sockaddr_in&>(bytes);
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(bytes);
    const bool here = bytes.ss_family == AF_UNIX ||
                      (bytes.ss_family == AF_INET && ntohl(in.sin_addr.s_addr) >> 24 == 127) ||
                      (bytes.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr));
    return here ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1;
}

std::string address_of(int listening_fd) {
    sockaddr_storage bytes{};
    socklen_t size = sizeof bytes;
    if (::getsockname(listening_fd, reinterpret_cast<sockaddr*>(&bytes), &size) != 0) return "?";
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    ::getnameinfo(reinterpret_cast<sockaddr*>(&bytes), size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV);
    const bool six = bytes.ss_family == AF_INET6;
    return std::string(six ? "[" : "").append(host).append(six ? "]:" : ":").append(port);
}

std::uint64_t random_word() {
    std::uint64_t word = 0;
    while (::getrandom(&word, sizeof word, 0) != sizeof word) {
    }
    return word;
}
ashlar::key128 random_key() { return {random_word(), random_word()}; }

} // namespace serve
