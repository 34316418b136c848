// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace serve;

namespace {

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    operator int() const { return fd_; }

private:
    int fd_;
};

std::string port_of(int listening) {
    const std::string address = address_of(listening);
    return address.substr(address.rfind(':'));
}

} // namespace

TEST_CASE("whichever address of a name is listened on, it is found") {
    addrinfo want{};
    want.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    REQUIRE(::getaddrinfo("localhost", nullptr, &want, &found) == 0);
    int tried = 0;
    for (const addrinfo* each = found; each; each = each->ai_next) {
        std::string why;
        const descriptor listening(listen_on(each->ai_family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0", 1, why));
        if (listening < 0) continue; // a machine without this family
        ++tried;
        const descriptor there(connect_to("localhost" + port_of(listening), why));
        CHECK_MESSAGE(there >= 0, why);
    }
    ::freeaddrinfo(found);
    CHECK(tried > 0);
}

TEST_CASE("who does not answer is given up after seconds, not minutes") {
    std::string why;
    const descriptor silent(listen_on("127.0.0.1:0", 0, why));
    REQUIRE(silent >= 0);
    const std::string address = "127.0.0.1" + port_of(silent);
    const auto start = std::chrono::steady_clock::now();
    std::vector<descriptor> waiting; // a full queue answers nobody
    do waiting.emplace_back(connect_to(address, why));
    while (waiting.back() >= 0 && waiting.size() < 16);
    CHECK(waiting.back() < 0);
    CHECK(why == address + ": Connection timed out");
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("addresses that stand for nothing are refused with a sentence") {
    std::string why;
    CHECK(connect_to("localhost", why) < 0);
    CHECK(why == "'localhost' is not HOST:PORT");
    CHECK(connect_to("@" + std::string(200, 'x'), why) < 0);
    CHECK(why.find("is too long") != std::string::npos);
    CHECK(is_loopback("localhost:1"));
    CHECK(is_loopback("@name"));
    CHECK_FALSE(is_loopback("0.0.0.0:1"));
    CHECK_FALSE(is_loopback("nonsense"));
}
