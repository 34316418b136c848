// SPDX-License-Identifier: Apache-2.0
#include "engines.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <variant>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

namespace serve {

namespace asio = boost::asio;
namespace sched = ashlar::sched;
using boost::system::error_code;

namespace {
constexpr std::size_t unproven_bytes_max = 256; // of a frame: a proof has 33

bool exchange_kv(const engine_connection& a, const engine_connection& b) {
    return (a.facts.as == sched::role::prefill && b.facts.as == sched::role::decode) ||
           (a.facts.as == sched::role::decode && b.facts.as == sched::role::prefill);
}
bool same_process(const wire::hello& a, const wire::hello& b) { return a.member == b.member && a.pid == b.pid; }
} // namespace

engine_connection::~engine_connection() {
    error_code ignored;
    watch.cancel(ignored);
    watch.release();
}

engines::engines(asio::io_context& loop, const terms& agreed, reports tell)
    : loop_(loop), agreed_(agreed), tell_(std::move(tell)), control_(loop), pause_(loop) {}

void engines::accept_from(int listening_fd) {
    ::fcntl(listening_fd, F_SETFL, ::fcntl(listening_fd, F_GETFL) | O_NONBLOCK);
    control_.assign(listening_fd);
    accept();
}

void engines::accept() {
    control_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) {
        if (ec) return;
        for (;;) {
            const int fd = ::accept4(control_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
            if (fd < 0 && errno == EAGAIN) break;
            if (fd < 0) { // out of descriptors, most likely: try again in a moment rather than spin
                spdlog::warn("accept: {}", std::strerror(errno));
                pause_.expires_after(std::chrono::milliseconds(100));
                pause_.async_wait([this](error_code stop) {
                    if (!stop) accept();
                });
                return;
            }
            if (all_.size() >= 1024) {
                ::close(fd);
                continue;
            }
            auto one = std::make_shared<engine_connection>(loop_, fd);
            one->nonce = {random_word(), random_word()};
            one->line.take_at_most(unproven_bytes_max); // nobody knows yet whose bytes they are
            all_.push_back(one);
            one->line.send(wire::to_engine(wire::challenge{wire::version, one->nonce}));
            listen_to(one);
            auto patience = std::make_shared<asio::steady_timer>(loop_, std::chrono::seconds(5));
            patience->async_wait([this, weak = std::weak_ptr(one), patience](error_code) {
                if (const auto late = weak.lock(); late && !late->gone && late->stage < engine_connection::is_live)
                    drop(late, "did not say hello in time");
            });
        }
        accept();
    });
}

void engines::listen_to(const pointer& one) {
    one->watch.async_wait(asio::posix::descriptor_base::wait_read, [this, one](error_code ec) {
        if (ec || one->gone) return;
        const bool alive = one->line.receive([&](std::span<const std::byte> body) {
            wire::to_router frame;
            if (!wire::decode(body, frame)) {
                spdlog::error("engine {}: a frame that makes no sense; closing", one->name);
                return false;
            }
            if (const auto* proof = std::get_if<wire::response>(&frame)) return hear(one, *proof);
            if (auto* facts = std::get_if<wire::hello>(&frame)) return hear(one, *facts);
            if (auto* anew = std::get_if<wire::reopened>(&frame)) return hear(one, *anew);
            if (one->live()) tell_.heard(*one, frame);
            return one->stage >= engine_connection::is_live && !one->gone;
        });
        if (one->gone) return;
        if (!alive) return drop(one, "its connection ended", agreed_.same_machine);
        listen_to(one);
    });
}

void engines::send(ashlar::instance_id to, const wire::to_engine& frame) {
    for (const auto& each : all_) {
        if (!each->live() || each->instance != to || each->gone) continue;
        each->line.send(frame);
        return write_later(each);
    }
}

void engines::send_all(const wire::to_engine& frame) {
    for (const auto& each : all_) {
        if (each->live()) each->line.send(frame), write_later(each);
    }
}

void engines::write_later(const pointer& one) {
    if (!one->line.wants_write() || std::exchange(one->writing, true)) return;
    one->watch.async_wait(asio::posix::descriptor_base::wait_write, [this, one](error_code ec) {
        one->writing = false;
        if (ec || one->gone) return;
        one->line.flush();
        write_later(one);
    });
}

const engine_connection* engines::fence(ashlar::instance_id instance) {
    for (const auto& each : all_) {
        if (!each->live() || each->instance != instance) continue;
        spdlog::error("engine {} (pid {}) is silent; fencing it off", each->name, each->facts.pid);
        each->stage = engine_connection::fenced;
        return each.get();
    }
    return nullptr;
}

void engines::hang_up(ashlar::instance_id instance, std::string_view why) {
    for (const pointer& each : all_) {
        if (each->instance == instance) return drop(pointer(each), why);
    }
}

void engines::drop(const pointer& one, std::string_view why, bool dead) {
    if (std::exchange(one->gone, true)) return;
    const pointer keep = one;
    error_code ignored;
    keep->watch.cancel(ignored);
    keep->watch.release();
    keep->line.close();
    all_.remove(keep);
    if (keep->stage < engine_connection::is_live) {
        spdlog::warn("a control connection is closed: {}", why);
        return;
    }
    spdlog::warn("engine {} (pid {}) is down: {}", keep->name, keep->facts.pid, why);
    tell_peers(*keep, dead);
    if (!dead && keep->process.is_open()) { // it may live on, or be about to end: its peers hear when it has
        ending_.push_back(keep);
        keep->process.async_wait(asio::posix::descriptor_base::wait_read, [this, keep](error_code ec) {
            if (ec) return;
            ending_.remove(keep);
            tell_peers(*keep, true);
        });
    }
    tell_.down(*keep);
}

void engines::tell_peers(const engine_connection& gone, bool dead) {
    for (const auto& other : all_) {
        if (!other->live() || !exchange_kv(*other, gone)) continue;
        other->line.send(wire::to_engine(wire::peer_gone{gone.instance, gone.endpoint, dead}));
        write_later(other);
    }
}

bool engines::hear(const pointer& one, const wire::response& frame) {
    if (one->stage != engine_connection::challenged) return false;
    if (!(wire::prove(agreed_.key, "engine", one->nonce, frame.nonce) == frame.proof)) {
        spdlog::error("an engine does not hold this fleet's key; closing its connection");
        return false;
    }
    one->stage = engine_connection::proven;
    one->line.take_at_most(wire::frame_bytes_max);
    one->line.send(
        wire::to_engine(wire::counter_response{wire::prove(agreed_.key, "router", frame.nonce, one->nonce)}));
    return true;
}

bool engines::hear(const pointer& one, wire::hello& frame) {
    if (one->stage != engine_connection::proven) return false;
    one->facts = std::move(frame);
    const wire::hello& facts = one->facts;
    one->endpoint = facts.epoch;
    if (!(facts.model == agreed_.model)) {
        spdlog::error("a {} engine serves another model file than this router; closing its connection",
                      wire::role_name(facts.as));
        one->line.send(wire::to_engine(wire::refused{"it serves another model file than the router"}));
        return false;
    }
    if (!tell_.admits(facts)) {
        spdlog::info("a {} engine (pid {}) is not in the directory, or not yet; closing its connection",
                     wire::role_name(facts.as), facts.pid);
        return false;
    }
    for (const pointer& other : std::list(all_)) {
        if (other == one || !other->live()) continue;
        if (other->endpoint == facts.epoch || same_process(other->facts, facts)) {
            drop(other, "it connected anew");
        } else if (exchange_kv(*other, *one) &&
                   (!(other->facts.layout == facts.layout) || other->facts.fabric != facts.fabric)) {
            spdlog::error("a {} engine ({}) and {} ({}) cannot exchange KV: another layout or fabric",
                          wire::role_name(facts.as), facts.fabric, other->name, other->facts.fabric);
            one->line.send(wire::to_engine(wire::refused{"its KV layout or fabric is another than its peers'"}));
            return false;
        }
    }
    // It lives: what it was before need not end, under whatever endpoint; as with `reopened`, peers that lent pages to
    // a former one take them back by themselves.
    std::erase_if(ending_, [&](const pointer& other) {
        if (other->endpoint != facts.epoch && !same_process(other->facts, facts)) return false;
        error_code ignored;
        other->process.close(ignored);
        return true;
    });
    one->name = name_for(*one);
    one->instance = {++instances_};
    one->stage = engine_connection::is_live;
    if (const int fd = process_behind(one->line.fd(), facts.pid, facts.pid_space); fd >= 0) one->process.assign(fd);
    one->line.send(wire::to_engine(wire::welcome{one->instance, agreed_.heartbeat_ms}));
    for (const auto& other : all_) {
        if (other == one || !other->live() || !exchange_kv(*other, *one)) continue;
        introduce(*other, one);
        introduce(*one, other);
    }
    write_later(one);
    spdlog::info("engine {} (pid {}) is up: {} blocks of {} tokens, {}", one->name, facts.pid, facts.blocks_total,
                 facts.tokens_per_block, facts.fabric);
    tell_.up(*one);
    return true;
}

void engines::introduce(const engine_connection& one, const pointer& to) {
    to->line.send(wire::to_engine(wire::peer{one.instance, one.endpoint, one.facts.address}));
    write_later(to);
}

// To its peers it is another now; to the scheduler it is the same, with all that it computes.
bool engines::hear(const pointer& one, wire::reopened& frame) {
    if (!one->live()) return one->stage == engine_connection::fenced;
    spdlog::warn("engine {} (pid {}) has opened its fabric anew", one->name, one->facts.pid);
    tell_peers(*one, false); // bytes of the former endpoint may still be under way
    one->endpoint = frame.epoch;
    one->facts.address = std::move(frame.address);
    for (const auto& other : all_) {
        if (other != one && other->live() && exchange_kv(*other, *one)) introduce(*one, other);
    }
    return true;
}

// Who comes back after a death gets the name that it left.
std::string engines::name_for(const engine_connection& one) const {
    for (int number = 1;; ++number) {
        std::string name(wire::role_name(one.facts.as));
        if (number > 1) name.append("-").append(std::to_string(number));
        const bool taken = std::any_of(all_.begin(), all_.end(), [&](const pointer& other) {
            return other.get() != &one && other->stage >= engine_connection::is_live && other->name == name;
        });
        if (!taken) return name;
    }
}

} // namespace serve
