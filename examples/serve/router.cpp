// SPDX-License-Identifier: Apache-2.0
// The router process: one loop with the clients' connections, the engines' control sockets and one scheduler value.
// Whatever comes in becomes an event; the scheduler's actions become frames and answers. Nothing is decided here: which
// engine, which batch, when to give up, all of that is in the log as an action, and a replay says the same.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "answers.hpp"
#include "api.hpp"
#include "clock.hpp"
#include "engine_events.hpp"
#include "engines.hpp"
#include "fleet.hpp"
#include "fleet_key.hpp"
#include "http.hpp"
#include "metrics.hpp"
#include "process.hpp"
#include "readiness.hpp"
#include "settings.hpp"
#include "steps.hpp"
#include "supervisor_line.hpp"
#include "vocabulary.hpp"
#include "wire.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

al::duration from_seconds(std::uint32_t s) { return {std::int64_t{s} * 1'000'000'000}; }

// 256: engines, logs, what libraries hold.
void want_descriptors(std::uint32_t connections) {
    rlimit now{};
    const rlim_t wanted = connections + rlim_t{256};
    if (::getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur >= wanted) return;
    now.rlim_cur = std::min(wanted, now.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur < wanted)
        throw std::runtime_error("--connections " + std::to_string(connections) + " needs " + std::to_string(wanted) +
                                 " descriptors; this process may have " + std::to_string(now.rlim_max) +
                                 " (ulimit -Hn)");
}

int listening(int inherited, const std::string& address, int backlog, const std::string& whom) {
    std::string why;
    const int fd = inherited >= 0 ? inherited : listen_on(address, backlog, why);
    if (fd < 0)
        throw std::runtime_error("cannot listen for " + whom + ": " + why + " (choose another address: " +
                                 (whom == "clients" ? "--host and --port" : "--peers") + ")");
    return fd;
}

sched::pd_options limits_of(const settings& how) {
    return {.request_limit = how.request_limit,
            .queue_limit = how.queue_limit,
            .instance_limit = 256,
            .attempts_max = how.attempts,
            .heartbeat_timeout = al::duration{std::int64_t{how.heartbeat_ms} * 2'000'000},
            .deadline_max = from_seconds(how.timeout_s),
            .retry_after = from_seconds(1),
            .hold_unavailable = how.hold};
}

class router {
public:
    explicit router(const settings& how)
        : how_(how), words_(how.model), limits_{.model = how.model_name,
                                                .context = std::min(how.context, words_.facts().context),
                                                .vocabulary = words_.facts().vocabulary},
          numbers_(how.model_name, tokens_per_block, limits_.context, how.prefix_caching),
          steps_(loop_, limits_of(how), how.log_dir, [this](std::span<const sched::action> one) { carry_out(one); }),
          answers_(words_, numbers_, how.prefix_caching, [this](const sched::event& e) { steps_.feed(e); }),
          heard_(steps_, answers_, numbers_),
          engines_(loop_,
                   {.key = how.key_fd >= 0              ? key_from_fd(how.key_fd)
                           : how.fleet_key_file.empty() ? random_key()
                                                        : key_from_file(how.fleet_key_file),
                    .model = words_.fingerprint(),
                    .heartbeat_ms = how.heartbeat_ms,
                    .same_machine = how.supervisor_fd >= 0},
                   {.up = [this](const engine_connection& one) { up(one); },
                    .down = [this](const engine_connection& one) { down(one); },
                    .admits = [this](const wire::hello& facts) { return fleet_.admits(facts.member); },
                    .heard = [this](engine_connection& one, wire::to_router& frame) { heard_.hear(one, frame); }}),
          fleet_(loop_, how, engines_, [this] { state_.look(); }),
          supervisor_(loop_, how.supervisor_fd,
                      {.cannot_start = [this](const std::string& role) { state_.cannot_start(role); },
                       .gone = [this] { loop_.stop(); }}),
          state_(how_, engines_, fleet_, supervisor_),
          api_(how.api_key, words_, limits_, answers_,
               {.unhealthy = [this] { return state_.unhealthy(); },
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
        const int control =
            listening(how.control_fd, how.control_fd >= 0 ? "" : fleet_.control_address(), 64, "engines");
        fleet_.join(control);
        engines_.accept_from(control);
        const std::string host = how.host.find(':') == std::string::npos ? how.host : "[" + how.host + "]";
        const int http = listening(how.http_fd, host + ":" + std::to_string(how.port), 512, "clients");
        state_.serves_at("http://" + address_of(http));
        http_.accept_from(http);
        await_signal();
    }

    int run() {
        loop_.run();
        spdlog::debug("router: the end");
        return 0;
    }

private:
    void carry_out(std::span<const sched::action> one) {
        if (const auto* batch = std::get_if<sched::launch_batch>(&one.front())) return launch(*batch, one.subspan(1));
        std::visit([this](const auto& a) { apply(a); }, one.front());
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

    void launch(const sched::launch_batch& head, std::span<const sched::action> items) {
        const al::instant now = monotonic();
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
    void apply(const sched::launch_batch&) {} // launch() takes it with its items
    void apply(const sched::batch_item&) {}
    void apply(const sched::set_timer&) {} // steps_ keeps the time

    void apply(const sched::release& a) { engines_.send(a.instance, wire::release{a.request, a.attempt}); }

    void apply(const sched::instance_lost& a) {
        const engine_connection* one = engines_.fence(a.instance);
        state_.look();
        if (one && supervisor_.open()) return supervisor_.fence(one->facts.pid);
        engines_.hang_up(a.instance, "silent");
    }

    // ---- engines

    void up(const engine_connection& one) {
        state_.over(one.facts.fabric);
        numbers_.engine_restarted(one.name);
        supervisor_.up(one.facts.pid);
        steps_.feed(sched::instance_up{.instance = one.instance,
                                       .as = one.facts.as,
                                       .epoch = one.facts.epoch,
                                       .blocks_total = one.facts.blocks_total,
                                       .tokens_per_block = one.facts.tokens_per_block,
                                       .batch_tokens_max = one.facts.batch_tokens_max,
                                       .sequences_max = one.facts.sequences_max});
        state_.look();
    }
    void down(const engine_connection& one) {
        steps_.feed(sched::instance_down{one.instance, one.facts.epoch});
        state_.look();
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
        numbers_.set_load(steps_.policy().live() - steps_.policy().waiting(), steps_.policy().waiting(),
                          total ? static_cast<double>(used) / static_cast<double>(total) : 0);
        return numbers_.text();
    }

    // ---- the end

    void await_signal() {
        signals_.async_wait([this](error_code ec, int number) {
            if (ec) return;
            if (std::exchange(draining_, true)) { // asked twice; a child hears a signal to all from its supervisor too
                if (!supervisor_.open()) std::_Exit(1);
                return await_signal();
            }
            spdlog::info("router: signal {}; finishing {} requests, at most {} s", number, steps_.policy().live(),
                         how_.drain_s);
            state_.ends();
            http_.last_answers(); // who still comes is told so
            api_.drain();
            steps_.feed(sched::drain{monotonic() + from_seconds(how_.drain_s)});
            await_signal();
        });
    }

    void apply(const sched::drained&) {
        http_.stop_accepting();
        fleet_.leave();
        if (supervisor_.open()) engines_.send_all(wire::shutdown{}); // a fleet's engines wait for the next router
        leave_when_quiet(std::chrono::steady_clock::now() + std::chrono::seconds(2));
    }

    // The last bytes of the last answers are still on their way.
    void leave_when_quiet(std::chrono::steady_clock::time_point latest) {
        http_.close_idle();
        if (http_.connections() == 0 || std::chrono::steady_clock::now() >= latest) return loop_.stop();
        drain_timer_.expires_after(std::chrono::milliseconds(20));
        drain_timer_.async_wait([this, latest](error_code) { leave_when_quiet(latest); });
    }

    const settings how_;
    const vocabulary words_;
    const api_limits limits_;
    metrics numbers_;
    asio::io_context loop_{1};
    asio::steady_timer drain_timer_{loop_};
    asio::signal_set signals_{loop_, SIGTERM, SIGINT};
    bool draining_ = false;

    steps steps_;
    answers answers_;
    engine_events heard_;
    engines engines_;
    fleet fleet_;
    supervisor_line supervisor_;
    readiness state_;
    api api_;
    http_server http_;
};

} // namespace

int run_router(const settings& how) {
    name_process("router");
    router one(how);
    return outlast("router", [&] { return one.run(); });
}

} // namespace serve
