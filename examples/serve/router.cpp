// SPDX-License-Identifier: Apache-2.0
// The router process: one loop with the clients' connections, the engines' control sockets and one scheduler value.
// Whatever comes in becomes an event; the scheduler's actions become frames and answers. Nothing is decided here: which
// engine, which batch, when to give up, all of that is in the log as an action, and a replay says the same.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include <ashlar/sched/pd.hpp>

#include "answers.hpp"
#include "api.hpp"
#include "clock.hpp"
#include "engines.hpp"
#include "fleet_key.hpp"
#include "http.hpp"
#include "journal.hpp"
#include "metrics.hpp"
#include "peers.hpp"
#include "process.hpp"
#include "settings.hpp"
#include "vocabulary.hpp"
#include "wire.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

al::duration from_seconds(std::uint32_t s) { return {std::int64_t{s} * 1'000'000'000}; }

class router {
public:
    explicit router(const settings& how)
        : how_(how), words_(how.model), limits_{.model = how.model_name,
                                                .context = std::min(how.context, words_.facts().context),
                                                .vocabulary = words_.facts().vocabulary},
          options_{.request_limit = how.request_limit,
                   .queue_limit = how.queue_limit,
                   .instance_limit = 256,
                   .attempts_max = how.attempts,
                   .heartbeat_timeout = al::duration{std::int64_t{how.heartbeat_ms} * 2'000'000},
                   .deadline_max = from_seconds(how.timeout_s),
                   .retry_after = from_seconds(1),
                   .hold_unavailable = how.hold},
          peers_(how, "router"), policy_(options_), said_(policy_.actions_max()), log_(how.log_dir, options_),
          numbers_(how.model_name, tokens_per_block, limits_.context, how.prefix_caching),
          answers_(words_, numbers_, how.prefix_caching, [this](const sched::event& e) { feed(e); }),
          engines_(loop_,
                   {.key = how.key_fd >= 0              ? key_from_fd(how.key_fd)
                           : how.fleet_key_file.empty() ? random_key()
                                                        : key_from_file(how.fleet_key_file),
                    .model = words_.fingerprint(),
                    .heartbeat_ms = how.heartbeat_ms,
                    .same_machine = how.supervisor_fd >= 0},
                   {.up = [this](const engine_connection& one) { up(one); },
                    .down = [this](const engine_connection& one) { down(one); },
                    .admits = [this](const wire::hello& facts) { return admits(facts.member); },
                    .heard = [this](engine_connection& one,
                                    wire::to_router& frame) { std::visit([&](auto& f) { said(one, f); }, frame); }}),
          api_(how.api_key, words_, limits_, answers_,
               {.unhealthy = [this] { return unhealthy(); },
                .measured = [this] { return measured(); },
                .post = [this](std::function<void()> work) { asio::post(loop_, std::move(work)); }}),
          http_(
              loop_, {.connections = how.connections, .request_timeout = std::chrono::seconds(how.client_timeout_s)},
              [this](http_request request, std::shared_ptr<exchange> out) {
                  api_.serve(std::move(request), std::move(out));
              },
              [](unsigned status, std::string_view why) {
                  return error_body({.status = status, .message = std::string(why)});
              }) {
        if (const auto why = words_.why_no_chat(); !why.empty()) spdlog::warn("this server does not chat: {}", why);
        want_descriptors(how.connections);
        const int control = listening(how.control_fd, how.control_fd >= 0 ? "" : control_address(), 64, "engines");
        if (!how.peers.empty()) peers_.join(address_of(control), random_word());
        engines_.accept_from(control);
        watch_peers();
        const std::string host = how.host.find(':') == std::string::npos ? how.host : "[" + how.host + "]";
        const int http = listening(how.http_fd, host + ":" + std::to_string(how.port), 512, "clients");
        url_ = "http://" + address_of(http);
        http_.accept_from(http);
        if (how.supervisor_fd >= 0) supervisor_.assign(how.supervisor_fd), watch_supervisor();
        await_signal();
    }

    int run() {
        loop_.run();
        spdlog::debug("router: the end");
        return 0;
    }

private:
    // ---- event, step, actions

    void feed(const sched::event& e) {
        waiting_events_.push_back(e);
        if (std::exchange(stepping_, true)) return; // an action's effect may be an event
        for (; !waiting_events_.empty(); waiting_events_.pop_front()) {
            const al::instant now = monotonic();
            policy_.step(waiting_events_.front(), now, said_);
            log_.append(now, waiting_events_.front(), said_);
            for (std::size_t i = 0; i < said_.size(); ++i) {
                if (const auto* head = std::get_if<sched::launch_batch>(&said_[i])) {
                    launch(*head, {said_.begin() + i + 1, head->items}, now);
                    i += head->items;
                } else {
                    std::visit([this](const auto& one) { apply(one); }, said_[i]);
                }
            }
        }
        stepping_ = false;
    }

    // ---- actions: to clients

    void apply(const sched::reject& a) { answers_.apply(a); }
    void apply(const sched::finish& a) { answers_.apply(a); }
    void apply(const sched::fail& a) { answers_.apply(a); }
    void apply(const sched::retry& a) {
        numbers_.retried();
        spdlog::info("request {:x}: attempt {} after: {} ({})", a.request.value, a.attempt,
                     al::to_string(a.because.code), al::to_string(a.because.from));
    }

    // ---- actions: to engines

    void apply(const sched::reserve& a) {
        sequence* s = answers_.find(a.request);
        if (!s) return;
        wire::reserve frame;
        frame.request = a.request;
        frame.attempt = a.attempt;
        frame.as = a.as;
        frame.capacity_tokens = a.capacity_tokens;
        frame.context.assign(s->tokens.begin(), s->tokens.begin() + a.context_tokens);
        frame.how = s->how;
        if (s->first != al::instant{}) frame.how.prompt_logprobs = false; // its client has them already
        frame.peer = a.peer;
        if (a.as == sched::role::prefill) frame.ticket = std::exchange(s->ticket, {});
        engines_.send(a.instance, frame);
    }

    void launch(const sched::launch_batch& head, std::span<const sched::action> items, al::instant now) {
        wire::batch frame{.id = head.batch, .items = {}};
        for (const auto& each : items) {
            const auto& item = std::get<sched::batch_item>(each);
            sequence* s = answers_.find(item.request);
            if (!s) continue;
            if (s->batched == al::instant{}) s->batched = now, numbers_.queued(seconds(now - s->arrived));
            const bool decodes = item.kind == sched::item_kind::decode;
            frame.items.push_back({item.request, item.attempt, item.kind, item.position, item.count, item.last,
                                   decodes ? s->tokens[item.position] : 0});
        }
        numbers_.iteration(head.tokens);
        engines_.send(head.instance, frame);
    }
    void apply(const sched::launch_batch&) {} // launch() takes them with their items
    void apply(const sched::batch_item&) {}

    void apply(const sched::release& a) { engines_.send(a.instance, wire::release{a.request, a.attempt}); }

    void apply(const sched::instance_lost& a) {
        const engine_connection* one = engines_.fence(a.instance);
        update_ready();
        if (one && how_.supervisor_fd >= 0) return tell_supervisor("fence " + std::to_string(one->facts.pid) + "\n");
        engines_.hang_up(a.instance, "silent");
    }

    // ---- actions: time and the end

    void apply(const sched::set_timer& a) {
        timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(a.at.ns)));
        timer_.async_wait([this](error_code ec) {
            if (ec) return;
            // What the sockets hold comes first: this handler runs behind those that are ready now.
            asio::post(loop_, [this] { feed(sched::tick{}); });
        });
    }

    void apply(const sched::drained&) {
        http_.stop_accepting();
        peers_.leave(); // the next router need not wait for a lease to run out
        if (how_.supervisor_fd >= 0) engines_.send_all(wire::shutdown{}); // a fleet's engines wait for the next router
        leave_when_quiet(std::chrono::steady_clock::now() + std::chrono::seconds(2));
    }

    // ---- events: what engines say

    void up(const engine_connection& one) {
        fabric_ = one.facts.fabric;
        numbers_.engine_restarted(one.name);
        tell_supervisor("up " + std::to_string(one.facts.pid) + "\n");
        feed(sched::instance_up{.instance = one.instance,
                                .as = one.facts.as,
                                .epoch = one.facts.epoch,
                                .blocks_total = one.facts.blocks_total,
                                .tokens_per_block = one.facts.tokens_per_block,
                                .batch_tokens_max = one.facts.batch_tokens_max,
                                .sequences_max = one.facts.sequences_max});
        update_ready();
    }
    void down(const engine_connection& one) {
        feed(sched::instance_down{one.instance, one.facts.epoch});
        update_ready();
    }

    void said(engine_connection&, const wire::response&) {}
    void said(engine_connection&, const wire::hello&) {}
    void said(engine_connection&, const wire::reopened&) {}
    void said(engine_connection& from, const wire::heartbeat& f) {
        from.totals = f.totals;
        feed(sched::heartbeat{from.instance, from.facts.epoch, f.blocks_free});
    }
    void said(engine_connection& from, wire::reserved& f) {
        const sched::reserved e{f.request, f.attempt, from.instance, f.cached_tokens};
        sequence* s = policy_.heeds(e) ? answers_.find(f.request) : nullptr;
        if (s && from.facts.as == sched::role::decode) {
            s->ticket = std::move(f.ticket);
        } else if (s && !std::exchange(s->counted_prompt, true)) { // what need not be computed again
            if (s->index % s->of->want.n == 0) s->of->used.cached_tokens += f.cached_tokens; // a prompt counts once
            numbers_.prefix(s->prompt_tokens, f.cached_tokens);
        }
        feed(e);
    }
    void said(engine_connection& from, const wire::reserve_failed& f) {
        feed(sched::reserve_failed{f.request, f.attempt, from.instance, f.fault});
    }
    void said(engine_connection& from, const wire::token& f) {
        if (f.kind == sched::item_kind::prefill)
            counted(f, sched::prefill_done{f.request, f.attempt, from.instance, f.batch, false});
        else
            counted(f, sched::token{f.request, f.attempt, from.instance, f.batch, false});
    }
    template <class Event>
    void counted(const wire::token& f, Event e) {
        sequence* s = policy_.counts(e) ? answers_.find(f.request) : nullptr;
        if (s && f.position != s->tokens.size()) return; // the engine is wrong: it will be asked again
        if (s) e.stop = answers_.show(*s, f);
        feed(e);
    }
    void said(engine_connection& from, const wire::prompt_token& f) {
        sequence* s = answers_.find(f.request);
        if (s && policy_.heeds(sched::token{f.request, f.attempt, from.instance, {}, false})) answers_.note(*s, f);
    }
    void said(engine_connection& from, const wire::item_failed& f) {
        feed(sched::item_failed{f.request, f.attempt, from.instance, f.batch, f.fault});
    }
    void said(engine_connection& from, const wire::batch_done& f) { feed(sched::batch_done{from.instance, f.batch}); }
    void said(engine_connection& from, const wire::transfer_done& f) {
        const sched::transfer_done e{f.request, f.attempt, from.instance};
        if (const sequence* s = policy_.heeds(e) ? answers_.find(f.request) : nullptr) // zero: there before the token
            numbers_.transfer_seconds(s->first == al::instant{} ? 0 : seconds(monotonic() - s->last));
        feed(e);
    }
    void said(engine_connection& from, const wire::transfer_failed& f) {
        spdlog::warn("engine {}: handing over the KV of request {:x} failed: {} ({}, {})", from.name, f.request.value,
                     al::to_string(f.fault.code), al::to_string(f.fault.from), f.fault.os_code);
        feed(sched::transfer_failed{f.request, f.attempt, from.instance, f.fault});
    }

    // ---- the fleet

    // Where engines find it. Without a fleet no engine looks for it in one.
    std::string control_address() const {
        if (how_.peers.empty()) return "127.0.0.1:0";
        return peers_.by_etcd() ? how_.address : peers_.router().address;
    }
    // Only who has the router's place lets engines in: they belong to one router at a time.
    bool admits(std::uint64_t member) const { return !peers_.superseded() && peers_.entered() && peers_.has(member); }
    void watch_peers() {
        if (how_.peers.empty()) return;
        peers_timer_.expires_after(std::chrono::milliseconds(peers_.busy() ? 5 : 50));
        peers_timer_.async_wait([this](error_code ec) {
            if (ec) return;
            peers_.poll(monotonic());
            if (std::exchange(peers_epoch_, peers_.epoch()) != peers_.epoch() || peers_.superseded()) {
                std::vector<al::instance_id> out;
                for (const auto& each : engines_.all()) {
                    if (each->live() && (peers_.superseded() || !peers_.has(each->facts.member)))
                        out.push_back(each->instance);
                }
                for (const auto each : out)
                    engines_.hang_up(each, peers_.superseded() ? "this fleet has another router"
                                                               : "it has left the directory");
            }
            update_ready();
            watch_peers();
        });
    }
    // The engines without which nothing can be answered. A file says how many there are to be; in etcd are those that
    // are.
    std::vector<sched::role> expected() const {
        if (how_.peers.empty() && how_.role == "unified") return {sched::role::unified};
        if (!how_.peers.empty() && !peers_.by_etcd()) return peers_.engines();
        for (const auto& each : engines_.all()) {
            if (each->live() && each->facts.as == sched::role::unified) return {sched::role::unified};
        }
        return {sched::role::prefill, sched::role::decode};
    }

    // ---- what it says about itself

    void update_ready() {
        std::size_t missing[3] = {};
        for (const auto as : expected()) ++missing[static_cast<std::size_t>(as)];
        for (const auto& each : engines_.all()) {
            std::size_t& of_role = missing[static_cast<std::size_t>(each->facts.as)];
            if (each->live() && of_role) --of_role;
        }
        const bool now = missing[0] + missing[1] + missing[2] == 0 && !peers_.superseded();
        if (now && !ready_) {
            spdlog::info("ready on {}", url_);
            if (!std::exchange(announced_, true) && how_.supervisor_fd < 0) announce_ready(url_, fabric_, how_);
            tell_supervisor("ready " + fabric_ + "\n");
        }
        if (now) trouble_.clear();
        ready_ = now;
    }

    const char* unhealthy() const {
        return draining_             ? "this server is shutting down"
               : ready_              ? nullptr
               : peers_.superseded() ? "this fleet has another router; standing by"
               : !trouble_.empty()   ? trouble_.c_str()
               : announced_          ? "an engine is down; it is being started again"
                                     : "loading the model";
    }

    std::string measured() {
        std::uint64_t used = 0, total = 0;
        for (const auto& each : engines_.all()) {
            if (!each->live()) continue;
            const std::uint64_t blocks = each->facts.blocks_total;
            numbers_.engine(each->name, each->totals, each->facts.blocks_total);
            if (each->facts.as == sched::role::prefill) continue; // decode pools bound what can be served
            total += blocks;
            used += blocks - std::min(each->totals.blocks_free, blocks);
        }
        numbers_.set_load(policy_.live() - policy_.waiting(), policy_.waiting(),
                          total ? static_cast<double>(used) / static_cast<double>(total) : 0);
        return numbers_.text();
    }

    // ---- its beginning and its end

    // 256: engines, logs, what libraries hold.
    static void want_descriptors(std::uint32_t connections) {
        rlimit now{};
        const rlim_t wanted = connections + rlim_t{256};
        if (::getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur >= wanted) return;
        now.rlim_cur = std::min(wanted, now.rlim_max);
        if (::setrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur < wanted)
            throw std::runtime_error("--connections " + std::to_string(connections) + " needs " +
                                     std::to_string(wanted) + " descriptors; this process may have " +
                                     std::to_string(now.rlim_max) + " (ulimit -Hn)");
    }

    static int listening(int inherited, const std::string& address, int backlog, const std::string& whom) {
        std::string why;
        const int fd = inherited >= 0 ? inherited : listen_on(address, backlog, why);
        if (fd < 0)
            throw std::runtime_error("cannot listen for " + whom + ": " + why + " (choose another address: " +
                                     (whom == "clients" ? "--host and --port" : "--peers") + ")");
        return fd;
    }

    void await_signal() {
        signals_.async_wait([this](error_code ec, int number) {
            if (ec) return;
            if (std::exchange(draining_, true)) { // asked twice; a child hears a signal to all from its supervisor too
                if (how_.supervisor_fd < 0) std::_Exit(1);
                return await_signal();
            }
            spdlog::info("router: signal {}; finishing {} requests, at most {} s", number, policy_.live(),
                         how_.drain_s);
            http_.last_answers(); // who still comes is told so
            feed(sched::drain{monotonic() + from_seconds(how_.drain_s)});
            await_signal();
        });
    }

    // The last bytes of the last answers are still on their way.
    void leave_when_quiet(std::chrono::steady_clock::time_point latest) {
        http_.close_idle();
        if (http_.connections() == 0 || std::chrono::steady_clock::now() >= latest) return loop_.stop();
        drain_timer_.expires_after(std::chrono::milliseconds(20));
        drain_timer_.async_wait([this, latest](error_code) { leave_when_quiet(latest); });
    }

    void tell_supervisor(const std::string& line) {
        if (!supervisor_.is_open()) return;
        [[maybe_unused]] const auto n =
            ::send(supervisor_.native_handle(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    void watch_supervisor() { // its end is ours
        supervisor_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) {
            char buffer[256];
            const auto n = ec ? 0 : ::recv(supervisor_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (n <= 0) return loop_.stop();
            supervisor_said_.append(buffer, static_cast<std::size_t>(n));
            for (std::size_t end; (end = supervisor_said_.find('\n')) != std::string::npos;) {
                if (supervisor_said_.rfind("cannot ", 0) == 0)
                    trouble_ = "the " + supervisor_said_.substr(7, end - 7) +
                               " engine cannot start, for a reason that is in this server's log; it is tried again";
                supervisor_said_.erase(0, end + 1);
            }
            watch_supervisor();
        });
    }

    const settings how_;
    const vocabulary words_;
    const api_limits limits_;
    const sched::pd_options options_;
    peers peers_;
    sched::pd<> policy_;
    sched::actions said_;
    journal log_;
    metrics numbers_;
    std::deque<sched::event> waiting_events_;
    bool stepping_ = false;

    asio::io_context loop_{1};
    asio::steady_timer timer_{loop_}, drain_timer_{loop_}, peers_timer_{loop_};
    asio::signal_set signals_{loop_, SIGTERM, SIGINT};
    asio::posix::stream_descriptor supervisor_{loop_};
    answers answers_;
    engines engines_;
    api api_;
    http_server http_;

    std::string url_, fabric_, supervisor_said_;
    std::string trouble_;           // what keeps an engine from starting
    std::uint64_t peers_epoch_ = 0; // at which the engines were looked at
    bool ready_ = false, announced_ = false, draining_ = false;
};

} // namespace

int run_router(const settings& how) {
    name_process("router");
    router one(how);
    return outlast("router", [&] { return one.run(); });
}

} // namespace serve
