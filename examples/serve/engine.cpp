// SPDX-License-Identifier: Apache-2.0
// An engine process: a model, its KV and its tenants, at the router's command. It finds the router, proves itself,
// carries out what it is told and says what came of it. One thread does all of it (the kernels and the compiler of
// grammars have their own): between two layers it moves KV, listens to the router and says that it is alive.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include <poll.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "clock.hpp"
#include "compute.hpp"
#include "constraint.hpp"
#include "fleet_key.hpp"
#include "kv_store.hpp"
#include "link.hpp"
#include "model_runner.hpp"
#include "peers.hpp"
#include "process.hpp"
#include "settings.hpp"
#include "tenants.hpp"
#include "wire.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
using namespace al::literals;

namespace {

volatile std::sig_atomic_t told_to_stop = 0;
volatile std::sig_atomic_t nothing_to_lose = 0; // looking for the router, in calls that a signal may not end

class engine {
public:
    explicit engine(const settings& how)
        : how_(how), as_(wire::role_of(how.child.empty() ? how.role : how.child)),
          key_(how.key_fd >= 0 ? key_from_fd(how.key_fd) : key_from_file(how.fleet_key_file)),
          model_(how.model, how.threads, how.batch_tokens, how.sequences, how.context),
          grammars_(how.model, how.sequences), peers_(how, std::string(wire::role_name(as_))),
          kv_(how, as_, model_.facts(), key_, peers_.own_host()), tenants_(kv_, grammars_, line_),
          runner_(model_, kv_, tenants_, grammars_.words(), line_,
                  {.between_layers =
                       [this] {
                           if (line_.open() && worth_a_look() && !progress(false)) line_.close();
                           return line_.open(); // the next router should not wait for what nobody wants
                       },
                   .while_sampling = [this] { stay_alive(); }}) {
        if (!how.peers.empty()) peers_.join(peers_.own_host(), member_);
    }

    int run() {
        std::string why, complaint;
        for (int pause = 1; !stop_; wait_a_moment(pause)) {
            peers_.poll(monotonic());
            router_ = peers_.entered() ? peers_.router() : peers::place{};
            nothing_to_lose = 1;
            stop_ = stop_ || told_to_stop;
            const int fd = stop_ || router_.address.empty() ? -1 : connect_to(router_.address, why);
            nothing_to_lose = 0;
            if (fd >= 0) line_ = link(fd), serve();
            if (stop_) break;
            pause = live_ ? 1 : std::min(2 * pause, 20); // who is not let in asks less and less often, and says it once
            std::string now = live_ ? "the router is gone; dropping its requests and looking for it again"
                              : router_.address.empty() ? "waiting for the directory: a place in it, and a router"
                              : fd < 0 ? "cannot reach the router at " + router_.address + ": " + why + "; trying again"
                                       : "the router does not let this engine in (its log says why); trying again";
            if (live_ || now != complaint) spdlog::warn(now);
            complaint = std::move(now);
            forget_everything();
        }
        forget_everything();
        peers_.leave();
        return 0;
    }

private:
    void wait_a_moment(int tenths) {
        for (int i = 0; i < 10 * tenths && !stop_; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            peers_.poll(monotonic());
            stop_ = told_to_stop;
        }
    }

    // ---- the loop

    void serve() {
        last_beat_ = monotonic();
        while (line_.open() && !stop_) {
            if (!progress(true)) break;
            if (batch_) {
                runner_.run(*std::exchange(batch_, std::nullopt));
                continue;
            }
            rest();
        }
        line_.close();
        for (const auto& last : inbox_) { // a goodbye may have come together with the end of the connection
            stop_ = stop_ || (live_ && std::holds_alternative<wire::shutdown>(last));
            if (const auto* no = std::get_if<wire::refused>(&last)) (void)hear(*no);
        }
    }

    // Nothing to compute: sleep until a frame, KV, a grammar or the next heartbeat is due.
    void rest() {
        if (!inbox_.empty()) return;
        if (kv_moves()) return kv_.fabric()->wait(1_ms);
        const al::duration left = last_beat_ + heartbeat_ / 2 - monotonic();
        pollfd watch{line_.fd(), static_cast<short>(POLLIN | (line_.wants_write() ? POLLOUT : 0)), 0};
        const std::int64_t most = tenants_.waiting() ? 0 : peers_.busy() ? 5 : 1000;
        const auto ms = std::clamp<std::int64_t>(left.ns / 1'000'000, 0, most);
        ::poll(&watch, 1, static_cast<int>(ms) + 1);
        stop_ = stop_ || told_to_stop;
    }

    // Between two layers: each time while KV moves, else a look costs more than it finds.
    bool worth_a_look() { return kv_moves() || monotonic() - last_look_ >= 1_ms; }
    bool kv_moves() { return kv_.fabric() && !kv_.fabric()->idle(); }

    // Whatever can be done without waiting. `all`: between batches; else between layers, where only what cannot touch
    // the running batch is carried out.
    bool progress(bool all) {
        const al::instant now = last_look_ = monotonic();
        peers_.poll(now);
        if (const auto next = peers_.router(); !(next == router_) && !next.address.empty())
            return spdlog::warn("the fleet has another router, at {}; leaving this one", next.address), false;
        line_.flush();
        if (!line_.receive([this](std::span<const std::byte> body) {
                wire::to_engine frame;
                if (!wire::decode(body, frame)) {
                    spdlog::error("the router sent a frame that makes no sense; hanging up");
                    return false;
                }
                inbox_.push_back(std::move(frame));
                return true;
            }))
            return false;
        while (!inbox_.empty() && !batch_ && (all || std::holds_alternative<wire::reserve>(inbox_.front()))) {
            wire::to_engine frame = std::move(inbox_.front());
            inbox_.pop_front();
            if (!std::visit([this](auto& one) { return hear(one); }, frame)) return false;
        }
        tenants_.admit_ready();
        if (kv_.fabric()) {
            kv_.poll(now);
            report_ = tenants_.hear_transfers(all) || report_;
            if (all && live_ && kv_.must_reopen(now)) reopen(now);
        }
        if (live_ && (now - last_beat_ >= heartbeat_ / 2 || report_)) beat(now); // what moved is worth telling at once
        line_.flush();
        stop_ = stop_ || told_to_stop;
        return true;
    }

    void beat(al::instant now) {
        last_beat_ = now;
        report_ = false;
        wire::counters totals;
        kv_.count(totals);
        runner_.count(totals);
        say(wire::heartbeat{static_cast<std::uint32_t>(totals.blocks_free), totals});
    }

    // While masks are found, which may take long: who is silent is given up.
    void stay_alive() {
        const al::instant now = monotonic();
        if (live_ && now - last_beat_ >= heartbeat_ / 2) beat(now), line_.flush();
    }

    void say(const wire::to_router& frame) { line_.queue(frame); } // goes out with what else progress() has to say

    void forget_everything() {
        live_ = proven_ = false; // the next router proves itself again
        inbox_.clear();
        batch_.reset();
        tenants_.evict_all();
    }

    // What is decoded goes on: its pages stay, only transfers begin again.
    void reopen(al::instant now) {
        spdlog::warn("a peer that lives is lost, or may hold on to pages for good: opening the fabric anew");
        tenants_.call_off_transfers();
        beat(now); // it takes a moment
        kv_.reopen(now);
        const auto address = kv_.fabric()->address();
        say(wire::reopened{kv_.epoch(), {address.begin(), address.end()}});
        report_ = true;
    }

    // ---- what the router says

    bool hear(const wire::challenge& f) {
        if (f.protocol != wire::version)
            return spdlog::error("the router speaks version {} of the protocol, this engine {}", f.protocol,
                                 wire::version),
                   false;
        nonce_ = {random_word(), random_word()};
        theirs_ = f.nonce;
        say(wire::response{wire::prove(key_, "engine", f.nonce, nonce_), nonce_});
        return true;
    }
    bool hear(const wire::counter_response& f) {
        if (!(f.proof == wire::prove(key_, "router", nonce_, theirs_)))
            return spdlog::error("the router does not hold this fleet's key; hanging up"), false;
        carrier* fabric = kv_.fabric();
        wire::hello me;
        me.as = as_;
        me.epoch = kv_.epoch();
        me.member = member_;
        me.pid = static_cast<std::uint32_t>(::getpid());
        me.pid_space = process_namespace();
        me.blocks_total = kv_.layout().shape.blocks;
        me.tokens_per_block = kv_layout::tokens_per_block;
        me.batch_tokens_max = how_.batch_tokens;
        me.sequences_max = how_.sequences;
        me.layout = kv_.layout().hash();
        me.model = model_.fingerprint();
        me.fabric = fabric ? fabric->name() : "none";
        if (fabric) me.address.assign(fabric->address().begin(), fabric->address().end());
        proven_ = true;
        say(std::move(me));
        return true;
    }
    bool hear(const wire::welcome& f) {
        if (!proven_) return false;
        heartbeat_ = al::duration{std::int64_t{std::clamp(f.heartbeat_ms, 10u, 60'000u)} * 1'000'000};
        live_ = true;
        beat(monotonic());
        return true;
    }
    bool hear(const wire::peer& f) {
        if (!live_ || !kv_.fabric()) return false;
        kv_.others().hear(f);
        return true;
    }
    bool hear(const wire::peer_gone& f) {
        if (kv_.fabric()) kv_.others().hear(f);
        return true;
    }
    bool hear(const wire::refused& f) {
        if (!proven_) return false;
        const std::string why = "the router does not let this " + std::string(wire::role_name(as_)) +
                                " engine in: " + f.why + " (--model " + how_.model + ")";
        if (!how_.child.empty()) throw cannot_start(why); // a new process may find another file there
        if (why != refusal_) spdlog::error(why);
        refusal_ = why;
        return false;
    }
    bool hear(const wire::shutdown&) {
        stop_ = stop_ || live_; // a stranger's word counts for nothing
        return live_;
    }

    bool hear(wire::reserve& f) { return live_ && tenants_.reserve(f); }
    bool hear(wire::batch& f) {
        if (!live_) return false;
        batch_ = std::move(f);
        return true;
    }

    bool hear(const wire::release& f) {
        tenants_.release(f.request, f.attempt);
        return true;
    }

    const settings how_;
    const sched::role as_;
    const al::key128 key_;
    computer model_;
    constraints grammars_;
    peers peers_;
    peers::place router_;
    const std::uint64_t member_ = random_word(); // in the directory, whatever its epoch

    link line_;
    kv_store kv_;
    tenants tenants_;
    model_runner runner_;
    std::deque<wire::to_engine> inbox_;
    std::optional<wire::batch> batch_;
    al::digest128 nonce_, theirs_;
    al::duration heartbeat_ = 250_ms; // said twice as often, so that one that comes late is not missed
    al::instant last_beat_, last_look_;
    std::string refusal_;
    bool proven_ = false, live_ = false, stop_ = false, report_ = false;
};

} // namespace

int run_engine(const settings& how) {
    name_process(how.child.empty() ? how.role : how.child);
    if (how.child.empty()) {
        for (const int number : {SIGTERM, SIGINT}) {
            std::signal(number, [](int) {
                told_to_stop = 1;
                if (nothing_to_lose) ::_exit(0);
            });
        }
    } else { // the router tells when it has drained; a signal to the whole group must not come before it
        for (const int number : {SIGTERM, SIGINT}) std::signal(number, SIG_IGN);
    }
    engine one(how);
    return outlast(how.child.empty() ? how.role : how.child, [&] { return one.run(); });
}

} // namespace serve
