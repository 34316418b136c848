// SPDX-License-Identifier: Apache-2.0
// The supervisor: owns the two listening sockets and the fleet's key, starts a router and the engines, and starts again
// what dies, later and later when it keeps dying. Clients and engines that connect meanwhile wait in the sockets'
// queues.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "fleet_key.hpp"
#include "link.hpp"
#include "process.hpp"
#include "settings.hpp"

namespace serve {

namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct child {
    std::string role;
    pid_t pid = 0;
    steady::time_point started{}, start_at{};
    steady::duration pause = 100ms; // before the next start
    unsigned quick_deaths = 0;
    bool up = false;     // an engine: the router has heard of it
    bool was_up = false; // one of this role: what keeps it from starting now is new, and may pass
};

class supervisor {
public:
    supervisor(const settings& how, const std::vector<std::string>& arguments) : how_(how), arguments_(arguments) {
        std::string why;
        const std::string host = how.host.find(':') == std::string::npos ? how.host : "[" + how.host + "]";
        http_fd_ = listen_on(host + ":" + std::to_string(how.port), 512, why);
        if (http_fd_ < 0)
            throw std::runtime_error("cannot listen for clients: " + why + " (choose another with --host and --port)");
        char name[64];
        std::snprintf(name, sizeof name, "@ashlar-serve-%d-%016llx", static_cast<int>(::getpid()),
                      static_cast<unsigned long long>(random_word()));
        control_ = name;
        control_fd_ = listen_on(control_, 64, why);
        if (control_fd_ < 0) throw std::runtime_error("cannot listen for engines: " + why);
        key_fd_ = fd_of_key(how.fleet_key_file.empty() ? random_key() : key_from_file(how.fleet_key_file));
        children_.push_back({.role = "router"});
        if (how.role == "unified")
            children_.push_back({.role = "unified"});
        else
            children_.push_back({.role = "prefill"}), children_.push_back({.role = "decode"});
    }

    int run() {
        sigset_t set;
        ::sigemptyset(&set);
        for (const int each : {SIGTERM, SIGINT, SIGCHLD, SIGHUP}) ::sigaddset(&set, each);
        ::sigprocmask(SIG_BLOCK, &set, nullptr);
        signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        for (auto& each : children_) start(each);
        while (!finished()) {
            pollfd watch[] = {{signal_fd_, POLLIN, 0}, {router_fd_, POLLIN, 0}};
            ::poll(watch, 2, next_start());
            signalfd_siginfo info;
            while (::read(signal_fd_, &info, sizeof info) == sizeof info) heard(static_cast<int>(info.ssi_signo));
            hear_router();
            reap();
            for (auto& each : children_) {
                if (each.pid == 0 && !stopping_ && steady::now() >= each.start_at) start(each);
            }
            for (auto& each : children_) { // hung before it said a word: nobody else would notice
                if (each.pid && !each.up && each.role != "router" && !stopping_ &&
                    steady::now() - each.started > birth_time) {
                    spdlog::error("the {} (pid {}) is not up after {} s; killing it", each.role, each.pid,
                                  birth_time.count());
                    ::kill(each.pid, SIGKILL);
                    each.up = true;
                }
            }
            if (stopping_ && steady::now() >= kill_at_) kill_all(SIGKILL), kill_at_ = steady::now() + 1s;
        }
        return failed_ ? 1 : 0;
    }

private:
    static constexpr std::chrono::seconds birth_time{120}; // a large model, a slow disk

    bool finished() const {
        return stopping_ &&
               std::all_of(children_.begin(), children_.end(), [](const child& each) { return each.pid == 0; });
    }
    int next_start() const {
        auto at = steady::now() + 3600s;
        for (const auto& each : children_) {
            if (each.pid == 0 && !stopping_) at = std::min(at, each.start_at);
        }
        for (const auto& each : children_) {
            if (each.pid && !each.up && each.role != "router" && !stopping_)
                at = std::min(at, each.started + birth_time);
        }
        if (stopping_) at = std::min(at, kill_at_);
        return static_cast<int>(
            std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(at - steady::now()).count()));
    }

    void start(child& one) {
        int pair[2] = {-1, -1};
        if (one.role == "router" && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
            throw std::runtime_error(std::string("socketpair: ") + std::strerror(errno));
        std::vector<int> keep = {key_fd_};
        std::vector<std::string> words = arguments_;
        const auto add = [&](const char* name, const std::string& value) {
            words.push_back(name), words.push_back(value);
        };
        add("--child", one.role);
        add("--parent", std::to_string(::getpid()));
        add("--key-fd", std::to_string(key_fd_));
        if (one.role == "router") {
            add("--http-fd", std::to_string(http_fd_));
            add("--control-fd", std::to_string(control_fd_));
            add("--supervisor-fd", std::to_string(pair[1]));
            keep.insert(keep.end(), {http_fd_, control_fd_, pair[1]});
        } else {
            add("--control", control_);
        }
        std::vector<char*> argv;
        for (auto& each : words) argv.push_back(each.data());
        argv.push_back(nullptr);

        const pid_t pid = ::fork();
        if (pid == 0) {
            sigset_t none;
            ::sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            for (const int fd : keep) ::fcntl(fd, F_SETFD, 0);
            ::execv("/proc/self/exe", argv.data());
            ::_exit(127);
        }
        if (pair[1] >= 0) ::close(pair[1]);
        one.started = steady::now();
        if (pid < 0) {
            spdlog::error("cannot start the {}: {}", one.role, std::strerror(errno));
            if (pair[0] >= 0) ::close(pair[0]);
            one.start_at = steady::now() + 1s;
            return;
        }
        if (one.role == "router") {
            if (router_fd_ >= 0) ::close(router_fd_);
            router_fd_ = pair[0];
        }
        one.pid = pid;
        spdlog::debug("started the {} as pid {}", one.role, pid);
    }

    void heard(int number) {
        if (number == SIGCHLD || number == SIGHUP) return;
        if (stopping_) return kill_all(SIGKILL); // asked twice
        stopping_ = true;
        kill_at_ = steady::now() + std::chrono::seconds(how_.drain_s) + 5s;
        for (const auto& each : children_) {
            if (each.role == "router" && each.pid) ::kill(each.pid, SIGTERM);
        }
        if (std::none_of(children_.begin(), children_.end(),
                         [](const child& c) { return c.role == "router" && c.pid; }))
            kill_all(SIGKILL);
    }

    void kill_all(int number) {
        for (const auto& each : children_) {
            if (each.pid) ::kill(each.pid, number);
        }
    }

    void reap() {
        for (auto& each : children_) {
            int status = 0;
            if (each.pid == 0 || ::waitpid(each.pid, &status, WNOHANG) != each.pid) continue;
            const auto lived = steady::now() - each.started;
            const std::string how = WIFSIGNALED(status) ? std::string("signal ") + std::to_string(WTERMSIG(status)) +
                                                              " (" + ::strsignal(WTERMSIG(status)) + ")"
                                                        : "exit status " + std::to_string(WEXITSTATUS(status));
            const pid_t pid = std::exchange(each.pid, 0);
            if (stopping_) { // the router is through: the engines have been told to go
                if (each.role == "router") kill_at_ = std::min(kill_at_, steady::now() + 500ms);
                continue;
            }
            // What is wrong from the start does not get better by trying: a bad model file, a taken port. But a file
            // that was good is about to be replaced, or will be put back.
            const bool cannot = WIFEXITED(status) && WEXITSTATUS(status) == 2;
            if (cannot && !each.was_up) {
                spdlog::critical("the {} cannot start (see above); giving up", each.role);
                failed_ = stopping_ = true;
                kill_at_ = steady::now();
                continue;
            }
            // Who ran for a while is started again at once; who dies at birth, later and later.
            const bool at_birth = cannot || lived < 2s;
            each.pause = at_birth ? std::min<steady::duration>(each.pause * 2, cannot ? 30s : 5s) : 50ms;
            each.quick_deaths = at_birth ? each.quick_deaths + 1 : 0;
            if (each.quick_deaths > 20 && !each.was_up) {
                spdlog::critical("the {} keeps dying ({}); giving up", each.role, how);
                failed_ = stopping_ = true;
                kill_at_ = steady::now();
                continue;
            }
            each.start_at = each.quick_deaths <= 1 ? steady::now() : steady::now() + each.pause;
            each.up = false;
            if (cannot) {
                spdlog::error("the {} (pid {}) cannot start (see above); trying again in {} ms", each.role, pid,
                              std::chrono::ceil<std::chrono::milliseconds>(each.pause).count());
                tell_router("cannot " + each.role + "\n");
            } else {
                spdlog::warn("the {} (pid {}) ended with {}; starting it again", each.role, pid, how);
            }
        }
    }

    void tell_router(const std::string& line) {
        if (router_fd_ < 0) return;
        [[maybe_unused]] const auto n = ::send(router_fd_, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    void hear_router() {
        char buffer[512];
        ssize_t n = -1;
        while (router_fd_ >= 0 && (n = ::recv(router_fd_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            lines_.append(buffer, static_cast<std::size_t>(n));
        if (router_fd_ >= 0 && n == 0) ::close(std::exchange(router_fd_, -1)), lines_.clear();
        for (std::size_t end; (end = lines_.find('\n')) != std::string::npos; lines_.erase(0, end + 1)) {
            const std::string line = lines_.substr(0, end);
            const bool ready = line.rfind("ready ", 0) == 0;
            if (ready && !std::exchange(announced_, true))
                announce_ready("http://" + address_of(http_fd_), line.substr(6), how_);
            if (line.rfind("fence ", 0) == 0) fence(std::atoi(line.c_str() + 6));
            for (auto& each : children_) {
                if (line.rfind("up ", 0) == 0 && each.pid == std::atoi(line.c_str() + 3)) each.up = each.was_up = true;
                if (ready && each.role == "router") each.was_up = true;
            }
        }
    }

    // Only children of ours: a pid from elsewhere is not touched.
    void fence(pid_t pid) {
        for (const auto& each : children_) {
            if (pid > 0 && each.pid == pid && each.role != "router") ::kill(pid, SIGKILL);
        }
    }

    const settings how_;
    const std::vector<std::string> arguments_;
    std::string control_, lines_;
    int http_fd_ = -1, control_fd_ = -1, key_fd_ = -1, signal_fd_ = -1, router_fd_ = -1;
    std::vector<child> children_;
    bool stopping_ = false, failed_ = false, announced_ = false;
    steady::time_point kill_at_{};
};

} // namespace

int run_supervisor(const settings& how, const std::vector<std::string>& arguments) {
    name_process("supervisor");
    return supervisor(how, arguments).run();
}

} // namespace serve
