// SPDX-License-Identifier: Apache-2.0
// An etcd of a test's own: one member on free ports of the loopback, its data in a folder that goes with it. It dies
// with the test, and only it is ever signalled. It may move to another address of the loopback, its port stays.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

class etcd_server {
public:
    etcd_server() : client_(free_port()), peer_(free_port()) {
        char folder[] = "/tmp/ashlar-etcd-XXXXXX";
        if (!::mkdtemp(folder)) throw std::runtime_error("mkdtemp");
        folder_ = folder;
        start();
    }
    ~etcd_server() {
        if (pid_ > 0) signal(SIGKILL), wait();
        std::filesystem::remove_all(folder_);
    }
    std::string port() const { return std::to_string(client_); }
    std::string endpoint() const { return host_ + ":" + port(); }
    void move(const std::string& host) {
        kill_and_wait();
        host_ = host;
        start();
    }
    void signal(int number) const { ::kill(pid_, number); }
    void kill_and_wait() { signal(SIGKILL), wait(); }
    void wipe() { std::filesystem::remove_all(folder_ + "/data"); }

    // Beside the directory under test: a call of the gateway, its answer whole. Empty when there is none.
    std::string post(const std::string& path, const std::string& body) const {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        ::inet_pton(AF_INET, host_.c_str(), &to.sin_addr);
        to.sin_port = htons(static_cast<std::uint16_t>(client_));
        const timeval patience{10, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const std::string ask =
            "POST " + path + " HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        std::string answer;
        char part[4096];
        if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
            ::send(fd, ask.data(), ask.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(ask.size())) {
            for (ssize_t n; (n = ::recv(fd, part, sizeof part, 0)) > 0;)
                answer.append(part, static_cast<std::size_t>(n));
        }
        ::close(fd);
        const auto head = answer.find("\r\n\r\n");
        return head == std::string::npos ? std::string() : answer.substr(head + 4);
    }
    void start() {
        const std::string url = "http://" + endpoint(), peers = "http://127.0.0.1:" + std::to_string(peer_);
        std::vector<std::string> words = {"etcd",
                                          "--name",
                                          "one",
                                          "--data-dir",
                                          folder_ + "/data",
                                          "--listen-client-urls",
                                          url,
                                          "--advertise-client-urls",
                                          url,
                                          "--listen-peer-urls",
                                          peers,
                                          "--initial-advertise-peer-urls",
                                          peers,
                                          "--initial-cluster",
                                          "one=" + peers,
                                          "--heartbeat-interval",
                                          "50",
                                          "--election-timeout",
                                          "500"};
        std::vector<char*> argv;
        for (auto& each : words) argv.push_back(each.data());
        argv.push_back(nullptr);
        const std::string log = folder_ + "/log";
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int out = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
        ::dup2(out, 1), ::dup2(out, 2);
        ::execvp("etcd", argv.data());
        ::_exit(127);
    }

private:
    void wait() {
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    static unsigned free_port() {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof any;
        auto* at = reinterpret_cast<sockaddr*>(&any);
        if (::bind(fd, at, size) != 0 || ::getsockname(fd, at, &size) != 0) throw std::runtime_error("no free port");
        ::close(fd);
        return ntohs(any.sin_port);
    }

    unsigned client_, peer_;
    std::string folder_, host_ = "127.0.0.1";
    pid_t pid_ = 0;
};
