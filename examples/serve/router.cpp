// SPDX-License-Identifier: Apache-2.0
// The router process: one loop with the clients' connections, the engines' control sockets and one scheduler value.
// Whatever comes in becomes an event; the scheduler's actions become frames and answers. Nothing is decided here: which
// engine, which batch, when to give up, all of that is in the log as an action, and a replay says the same.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <deque>
#include <fstream>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include <ashlar/core/random.hpp>
#include <ashlar/core/version.hpp>
#include <ashlar/sched/log.hpp>
#include <ashlar/sched/pd.hpp>

#include "fleet_key.hpp"
#include "http.hpp"
#include "link.hpp"
#include "metrics.hpp"
#include "openai.hpp"
#include "process.hpp"
#include "settings.hpp"
#include "text.hpp"
#include "vocabulary.hpp"
#include "wire.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::string_view role_name(sched::role as) {
    return as == sched::role::prefill ? "prefill" : as == sched::role::decode ? "decode" : "unified";
}
sched::role role_of(std::string_view name) {
    return name == "prefill" ? sched::role::prefill : name == "decode" ? sched::role::decode : sched::role::unified;
}

// One HTTP request that generates: what all its choices share.
struct job {
    std::shared_ptr<exchange> out;
    generation want;
    answer_head head;
    usage used;
    std::vector<choice> done; // of an answer that is not streamed
    std::vector<al::request_id> open;
    http_headers headers; // of every answer: x-request-id
    bool begun = false;   // bytes of a stream are out
    bool over = false;
};

// One choice: one request of the scheduler.
struct sequence {
    al::request_id id;
    std::shared_ptr<job> of;
    std::uint32_t index = 0;
    std::vector<token_id> tokens; // prompt, then generated
    std::uint32_t prompt_tokens = 0, max_tokens = 0;
    wire::sampling how;
    std::uint32_t attempt = 0;
    al::instance_id prefill, decode; // of this attempt; unified: the same
    std::vector<std::byte> ticket;
    text_stream text;
    std::vector<wire::prompt_token> prompt_chances; // by position
    std::vector<token_record> records;              // not streamed: all so far
    std::string whole;
    std::uint32_t characters = 0;
    bool counted_prompt = false, first_chunk = true;
    al::instant arrived, batched, first, last;
};

// One engine's control connection, from accept to its end.
struct engine_connection {
    explicit engine_connection(asio::io_context& loop, int fd) : line(fd), watch(loop, fd) {}
    ~engine_connection() {
        error_code ignored;
        watch.cancel(ignored);
        watch.release();
    }
    link line;
    asio::posix::stream_descriptor watch;
    enum { challenged, proven, live, fenced } stage = challenged;
    al::digest128 nonce;
    wire::hello facts;
    al::instance_id instance;
    wire::counters totals;
    bool writing = false, gone = false;
};
using engine_pointer = std::shared_ptr<engine_connection>;

std::int64_t unix_seconds() { return static_cast<std::int64_t>(std::time(nullptr)); }
al::instant monotonic() {
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
                .count()};
}
std::string hex(std::uint64_t a, std::uint64_t b) {
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(a),
                  static_cast<unsigned long long>(b));
    return text;
}

class router {
public:
    explicit router(const settings& how)
        : how_(how), key_(how.key_fd >= 0              ? key_from_fd(how.key_fd)
                          : how.fleet_key_file.empty() ? random_key()
                                                       : key_from_file(how.fleet_key_file)),
          words_(how.model), limits_{.model = how.model_name,
                                     .context = std::min(how.context, words_.facts().context),
                                     .vocabulary = words_.facts().vocabulary},
          options_{.request_limit = how.request_limit,
                   .queue_limit = how.queue_limit,
                   .instance_limit = 256,
                   .attempts_max = how.attempts,
                   .heartbeat_timeout = al::duration{std::int64_t{how.heartbeat_ms} * 2'000'000},
                   .deadline_max = al::duration{std::int64_t{how.timeout_s} * 1'000'000'000},
                   .retry_after = al::duration{1'000'000'000},
                   .hold_unavailable = how.hold},
          policy_(options_), said_(policy_.actions_max()), numbers_(how.model_name, 16, limits_.context),
          http_(
              loop_, {},
              [this](http_request request, std::shared_ptr<exchange> out) {
                  serve(std::move(request), std::move(out));
              },
              [](unsigned status, std::string_view why) {
                  return error_body({.status = status, .message = std::string(why)});
              }),
          next_request_((random_word() & 0xffffffffu) << 20), started_(unix_seconds()) {
        expect_engines();
        open_log();
        std::string why;
        const int control = how.control_fd >= 0 ? how.control_fd : listen_on(control_address_, 64, why);
        if (control < 0) throw std::runtime_error("cannot listen for engines: " + why);
        ::fcntl(control, F_SETFL, ::fcntl(control, F_GETFL) | O_NONBLOCK);
        control_.assign(control);
        const std::string http_address = how.host.find(':') == std::string::npos ? how.host : "[" + how.host + "]";
        const int http =
            how.http_fd >= 0 ? how.http_fd : listen_on(http_address + ":" + std::to_string(how.port), 512, why);
        if (http < 0)
            throw std::runtime_error("cannot listen for clients: " + why + " (choose another with --host and --port)");
        url_ = "http://" + address_of(http);
        http_.accept_from(http);
        accept_engines();
        if (how.supervisor_fd >= 0) supervisor_.assign(how.supervisor_fd), watch_supervisor();
        await_signal();
    }

    int run() {
        loop_.run();
        spdlog::debug("router: the end");
        return 0;
    }

private:
    // ---- set up

    void expect_engines() {
        if (how_.peers.empty()) {
            if (how_.role == "unified")
                expected_ = {sched::role::unified};
            else
                expected_ = {sched::role::prefill, sched::role::decode};
            return;
        }
        for (const auto& line : read_peers(how_.peers)) {
            if (line.role == "router")
                control_address_ = line.address;
            else
                expected_.push_back(role_of(line.role));
        }
    }

    void open_log() {
        if (how_.log_dir.empty()) return;
        char name[64];
        const std::time_t now = std::time(nullptr);
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::strftime(name, sizeof name, "/sched-%Y%m%dT%H%M%S", &parts);
        const std::string path = how_.log_dir + name + "-" + std::to_string(::getpid()) + ".log";
        log_fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_EXCL, 0600);
        if (log_fd_ < 0) throw std::runtime_error("cannot write " + path + ": " + std::strerror(errno));
        std::array<std::byte, sched::log_head_bytes> head{};
        al::byte_writer out(head);
        sched::write_log_head(out, options_);
        append_to_log(out.written());
        spdlog::info("router: writing the scheduler's log to {}", path);
    }
    void append_to_log(std::span<const std::byte> bytes) {
        while (!bytes.empty() && log_fd_ >= 0) {
            const ssize_t n = ::write(log_fd_, bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) {
                spdlog::error("router: cannot write the log any more: {}", std::strerror(errno));
                ::close(std::exchange(log_fd_, -1));
                return;
            }
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        }
    }

    // ---- the loop's one step: event, step, actions

    void feed(const sched::event& e) {
        waiting_events_.push_back(e);
        if (stepping_) return;
        stepping_ = true;
        while (!waiting_events_.empty()) {
            const sched::event next = waiting_events_.front();
            waiting_events_.pop_front();
            const al::instant now = monotonic();
            policy_.step(next, now, said_);
            if (log_fd_ >= 0) {
                record_.resize(sched::record_bytes_max(said_.size()));
                al::byte_writer out(record_);
                sched::write_record(out, now, next, said_);
                append_to_log(out.written());
            }
            apply_all(now);
        }
        stepping_ = false;
    }

    void apply_all(al::instant now) {
        for (std::size_t i = 0; i < said_.size(); ++i) {
            if (const auto* head = std::get_if<sched::launch_batch>(&said_[i])) {
                launch(*head, {said_.begin() + i + 1, head->items}, now);
                i += head->items;
            } else {
                std::visit([&](const auto& one) { apply(one); }, said_[i]);
            }
        }
    }

    void apply(const sched::launch_batch&) {}
    void apply(const sched::batch_item&) {}

    void apply(const sched::reject& a) {
        const auto s = take(a.request);
        if (!s) return;
        switch (a.reason) {
        case sched::reject_reason::overloaded: {
            const auto wait = std::max<std::int64_t>(1, (a.retry_after.ns + 999'999'999) / 1'000'000'000);
            return end_job(s->of,
                           {429, "this server is busy: its queue is full; try again in a moment", "",
                            "rate_limit_error", "overloaded"},
                           {{"Retry-After", std::to_string(wait)}});
        }
        case sched::reject_reason::unavailable:
            return end_job(
                s->of,
                {503, "no engine is up for this request; try again in a moment", "", "server_error", "unavailable"},
                {{"Retry-After", "1"}});
        case sched::reject_reason::draining:
            return end_job(s->of, {503, "this server is shutting down", "", "server_error", "shutting_down"},
                           {{"Retry-After", "5"}});
        case sched::reject_reason::too_long:
            return end_job(s->of, {400,
                                   "prompt and max_tokens together need more KV cache than an engine has; ask for "
                                   "fewer tokens or start the server with a larger --pool-mib",
                                   "max_tokens", "invalid_request_error", "context_length_exceeded"});
        case sched::reject_reason::invalid:
            return end_job(s->of, {400, "the prompt is empty, or nothing is to be generated", "prompt"});
        }
    }

    void apply(const sched::finish& a) {
        const auto s = take(a.request);
        if (!s) return;
        s->text.flush();
        ended(*s, a.reason == sched::finish_reason::stop ? "stop" : "length", a.tokens);
        s->of->used.completion_tokens += a.tokens;
        job& of = *s->of;
        std::erase(of.open, a.request);
        choice part{.index = s->index,
                    .text = s->text.take(),
                    .records = {},
                    .finish_reason = a.reason == sched::finish_reason::stop ? "stop" : "length"};
        if (of.want.stream) {
            begin(of);
            of.out->send(chunk_event(of.head, part, std::exchange(s->first_chunk, false), of.want.include_usage));
        } else {
            part.text = s->whole + part.text;
            part.records = std::move(s->records);
            of.done.push_back(std::move(part));
        }
        if (of.open.empty()) complete(of);
    }

    void apply(const sched::fail& a) {
        const auto s = take(a.request);
        if (!s) return;
        ended(*s, a.fault.code == al::errc::cancelled ? "abort" : "error",
              static_cast<std::uint32_t>(s->tokens.size()) - s->prompt_tokens);
        api_error fault{500, {}, "", "server_error", std::string(al::to_string(a.fault.code))};
        switch (a.fault.code) {
        case al::errc::timed_out:
            fault.status = 504, fault.message = "the request took longer than this server allows (" +
                                                std::to_string(how_.timeout_s) + " s)";
            break;
        case al::errc::peer_down:
            fault.status = 503, fault.message = "an engine went down while it worked on this request; try again";
            break;
        case al::errc::closed:
            fault.status = 503, fault.message = "this server is shutting down";
            break;
        case al::errc::exhausted:
            fault.status = 503, fault.message = "an engine ran out of room; try again in a moment";
            break;
        default:
            fault.message = "the request failed: " + std::string(al::to_string(a.fault.code)) + " (" +
                            std::string(al::to_string(a.fault.from)) + ")";
        }
        std::replace(fault.code.begin(), fault.code.end(), ' ', '_');
        if (a.fault.code != al::errc::cancelled) spdlog::warn("request {}: {}", s->of->head.id, fault.message);
        end_job(s->of, fault);
    }

    void apply(const sched::retry& a) {
        numbers_.retried();
        // From here on a token of the attempt before is late: the scheduler does not count it, so no client may see it.
        if (const auto it = sequences_.find(a.request.value); it != sequences_.end()) it->second->attempt = a.attempt;
        spdlog::info("request {:x}: attempt {} after: {} ({})", a.request.value, a.attempt,
                     al::to_string(a.because.code), al::to_string(a.because.from));
    }

    void apply(const sched::reserve& a) {
        const auto it = sequences_.find(a.request.value);
        if (it == sequences_.end()) return;
        sequence& s = *it->second;
        wire::reserve frame;
        frame.request = a.request;
        frame.attempt = s.attempt = a.attempt;
        frame.as = a.as;
        frame.capacity_tokens = a.capacity_tokens;
        frame.context.assign(s.tokens.begin(),
                             s.tokens.begin() + std::min<std::size_t>(a.context_tokens, s.tokens.size()));
        frame.how = s.how;
        if (s.first != al::instant{}) frame.how.prompt_logprobs = false; // its client has them already
        if (a.as == sched::role::prefill) {
            s.prefill = a.instance;
            frame.peer = s.decode;
            frame.ticket = s.ticket;
        } else {
            s.decode = a.instance;
            s.prefill = a.as == sched::role::unified ? a.instance : al::instance_id{};
            s.ticket.clear();
        }
        send(a.instance, frame);
    }

    void launch(const sched::launch_batch& head, std::span<const sched::action> items, al::instant now) {
        wire::batch frame{.id = head.batch, .items = {}};
        for (const auto& each : items) {
            const auto& item = std::get<sched::batch_item>(each);
            const auto it = sequences_.find(item.request.value);
            if (it == sequences_.end()) continue;
            sequence& s = *it->second;
            if (s.batched == al::instant{}) s.batched = now, numbers_.queued(seconds(now - s.arrived));
            wire::item one{item.request, item.attempt, item.kind, item.position, item.count, item.last, 0};
            if (item.kind == sched::item_kind::decode && item.position < s.tokens.size())
                one.input = s.tokens[item.position];
            frame.items.push_back(one);
        }
        numbers_.iteration(head.tokens);
        send(head.instance, frame);
    }

    void apply(const sched::release& a) { send(a.instance, wire::release{a.request, a.attempt}); }

    void apply(const sched::instance_lost& a) {
        for (const auto& each : engines_) {
            if (each->stage != engine_connection::live || each->instance != a.instance) continue;
            spdlog::error("engine {} (pid {}) is silent; fencing it off", each->facts.name, each->facts.pid);
            each->stage = engine_connection::fenced; // not heard any more
            update_ready();
            // Its peers may use the pages that it could touch once its process has ended: when its connection does.
            if (how_.supervisor_fd >= 0) return tell_supervisor("fence " + std::to_string(each->facts.pid) + "\n");
            return drop(each, "silent");
        }
    }

    void apply(const sched::set_timer& a) {
        timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(a.at.ns)));
        timer_.async_wait([this](error_code ec) {
            if (ec) return;
            // What the sockets hold comes first: this handler runs behind those that are ready now.
            asio::post(loop_, [this] { feed(sched::tick{}); });
        });
    }

    void apply(const sched::drained&) { say_goodbye(); }

    // ---- the end

    void await_signal() {
        signals_.async_wait([this](error_code ec, int number) {
            if (ec) return;
            if (std::exchange(draining_, true)) std::_Exit(1); // asked twice
            spdlog::info("router: signal {}; finishing {} requests, at most {} s", number, policy_.live(),
                         how_.drain_s);
            http_.stop_accepting();
            feed(sched::drain{monotonic() + al::duration{std::int64_t{how_.drain_s} * 1'000'000'000}});
            await_signal();
        });
    }

    void say_goodbye() {
        for (const auto& each : engines_) {
            if (each->stage == engine_connection::live) each->line.send(wire::to_engine(wire::shutdown{}));
        }
        leave_when_quiet(std::chrono::steady_clock::now() + std::chrono::seconds(2));
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
            char buffer[64];
            if (!ec && ::recv(supervisor_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT) > 0)
                return watch_supervisor();
            loop_.stop();
        });
    }

    // ---- engines

    void accept_engines() {
        control_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) {
            if (ec) return;
            for (;;) {
                const int fd = ::accept4(control_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd < 0) break;
                if (engines_.size() >= 1024) {
                    ::close(fd);
                    continue;
                }
                auto engine = std::make_shared<engine_connection>(loop_, fd);
                engine->nonce = {random_word(), random_word()};
                engines_.push_back(engine);
                engine->line.send(wire::to_engine(wire::challenge{wire::version, engine->nonce}));
                listen_to(engine);
                auto patience = std::make_shared<asio::steady_timer>(loop_, std::chrono::seconds(5));
                patience->async_wait([this, weak = std::weak_ptr(engine), patience](error_code) {
                    if (const auto late = weak.lock(); late && !late->gone && late->stage < engine_connection::live)
                        drop(late, "did not say hello in time");
                });
            }
            accept_engines();
        });
    }

    void listen_to(const engine_pointer& engine) {
        engine->watch.async_wait(asio::posix::descriptor_base::wait_read, [this, engine](error_code ec) {
            if (ec || engine->gone) return;
            const bool alive = engine->line.receive([&](std::span<const std::byte> body) {
                wire::to_router frame;
                if (!wire::decode(body, frame)) {
                    spdlog::error("engine {}: a frame that makes no sense; closing", engine->facts.name);
                    return false;
                }
                return std::visit([&](auto& one) { return hear(engine, one); }, frame) && !engine->gone;
            });
            if (engine->gone) return;
            // An engine of this machine holds its end of a Unix socket until its process ends.
            if (!alive) return drop(engine, "its connection ended", how_.supervisor_fd >= 0);
            listen_to(engine);
        });
    }

    void send(al::instance_id to, wire::to_engine frame) {
        for (const auto& each : engines_) {
            if (each->stage != engine_connection::live || each->instance != to || each->gone) continue;
            each->line.send(frame);
            return write_later(each);
        }
    }
    void write_later(const engine_pointer& engine) {
        if (!engine->line.wants_write() || std::exchange(engine->writing, true)) return;
        engine->watch.async_wait(asio::posix::descriptor_base::wait_write, [this, engine](error_code ec) {
            engine->writing = false;
            if (ec || engine->gone) return;
            engine->line.flush();
            write_later(engine);
        });
    }

    void drop(const engine_pointer& engine, std::string_view why, bool dead = false) {
        if (std::exchange(engine->gone, true)) return;
        error_code ignored;
        engine->watch.cancel(ignored);
        engine->watch.release();
        engine->line.close();
        engines_.remove(engine);
        if (engine->stage < engine_connection::live) {
            spdlog::warn("a control connection is closed: {}", why);
            return;
        }
        if (!draining_) spdlog::warn("engine {} (pid {}) is down: {}", engine->facts.name, engine->facts.pid, why);
        for (const auto& other : engines_) {
            if (other->stage == engine_connection::live && exchange_kv(*other, *engine)) {
                other->line.send(wire::to_engine(wire::peer_gone{engine->instance, engine->facts.epoch, dead}));
                write_later(other);
            }
        }
        feed(sched::instance_down{engine->instance, engine->facts.epoch});
        update_ready();
    }

    static bool exchange_kv(const engine_connection& a, const engine_connection& b) {
        return (a.facts.as == sched::role::prefill && b.facts.as == sched::role::decode) ||
               (a.facts.as == sched::role::decode && b.facts.as == sched::role::prefill);
    }

    bool hear(const engine_pointer& engine, const wire::response& frame) {
        if (engine->stage != engine_connection::challenged) return false;
        if (!(wire::prove(key_, "engine", engine->nonce, frame.nonce) == frame.proof)) {
            spdlog::error("an engine does not hold this fleet's key; closing its connection");
            return false;
        }
        engine->stage = engine_connection::proven;
        engine->line.send(
            wire::to_engine(wire::counter_response{wire::prove(key_, "router", frame.nonce, engine->nonce)}));
        return true;
    }

    bool hear(const engine_pointer& engine, wire::hello& frame) {
        if (engine->stage != engine_connection::proven) return false;
        engine->facts = std::move(frame);
        const wire::hello& facts = engine->facts;
        if (!(facts.model == words_.fingerprint())) {
            spdlog::error("engine {} serves another model file than this router; closing its connection", facts.name);
            return false;
        }
        for (const engine_pointer& other : std::list(engines_)) {
            if (other == engine || other->stage != engine_connection::live) continue;
            if (other->facts.epoch == facts.epoch) {
                drop(other, "it connected anew");
            } else if (exchange_kv(*other, *engine) &&
                       (!(other->facts.layout == facts.layout) || other->facts.fabric != facts.fabric)) {
                spdlog::error("engine {} ({}) and {} ({}) cannot exchange KV: another layout or fabric", facts.name,
                              facts.fabric, other->facts.name, other->facts.fabric);
                return false;
            }
        }
        engine->instance = {++instances_};
        engine->stage = engine_connection::live;
        fabric_ = facts.fabric;
        engine->line.send(wire::to_engine(wire::welcome{engine->instance, how_.heartbeat_ms}));
        for (const auto& other : engines_) {
            if (other == engine || other->stage != engine_connection::live || !exchange_kv(*other, *engine)) continue;
            engine->line.send(wire::to_engine(wire::peer{other->instance, other->facts.epoch, other->facts.address}));
            other->line.send(wire::to_engine(wire::peer{engine->instance, facts.epoch, facts.address}));
            write_later(other);
        }
        write_later(engine);
        spdlog::info("engine {} (pid {}) is up: {} blocks of {} tokens, {}", facts.name, facts.pid, facts.blocks_total,
                     facts.tokens_per_block, facts.fabric);
        numbers_.engine_restarted(facts.name);
        tell_supervisor("up " + std::to_string(facts.pid) + "\n");
        feed(sched::instance_up{.instance = engine->instance,
                                .as = facts.as,
                                .epoch = facts.epoch,
                                .blocks_total = facts.blocks_total,
                                .tokens_per_block = facts.tokens_per_block,
                                .batch_tokens_max = facts.batch_tokens_max,
                                .sequences_max = facts.sequences_max});
        update_ready();
        return true;
    }

    template <class Frame>
    bool hear(const engine_pointer& engine, const Frame& frame) {
        if (engine->stage == engine_connection::fenced) return true;
        if (engine->stage != engine_connection::live) return false;
        said(*engine, frame);
        return true;
    }

    void said(engine_connection& engine, const wire::heartbeat& f) {
        engine.totals = f.totals;
        feed(sched::heartbeat{engine.instance, engine.facts.epoch, f.blocks_free});
    }
    void said(engine_connection& engine, const wire::reserved& f) {
        if (sequence* s = current(f, engine.instance)) {
            if (engine.instance != s->prefill) {
                s->ticket = f.ticket;
            } else if (!std::exchange(s->counted_prompt, true)) { // what need not be computed again
                s->of->used.cached_tokens += f.cached_tokens;
                numbers_.prefix(s->prompt_tokens, f.cached_tokens);
            }
        }
        feed(sched::reserved{f.request, f.attempt, engine.instance, f.cached_tokens});
    }
    void said(engine_connection& engine, const wire::reserve_failed& f) {
        feed(sched::reserve_failed{f.request, f.attempt, engine.instance, f.fault});
    }
    void said(engine_connection& engine, const wire::token& f) {
        sequence* s = current(f, engine.instance);
        if (!s || f.position != s->tokens.size()) return; // late, or said twice
        // A client must not see a token that the scheduler does not count: it would be generated again, elsewhere.
        const std::uint32_t slot = policy_.requests().find(f.request);
        if (slot == sched::no_slot) return;
        const sched::request& r = policy_.requests()[slot];
        if (r.attempt != f.attempt || r.batch != f.batch) return;
        const bool ends = take_token(*s, f);
        if (f.kind == sched::item_kind::prefill)
            feed(sched::prefill_done{f.request, f.attempt, engine.instance, f.batch, ends});
        else
            feed(sched::token{f.request, f.attempt, engine.instance, f.batch, ends});
    }
    void said(engine_connection& engine, const wire::prompt_token& f) {
        sequence* s = current(f, engine.instance);
        if (!s || f.position == 0 || f.position >= s->prompt_tokens) return;
        if (s->prompt_chances.empty()) s->prompt_chances.resize(s->prompt_tokens);
        s->prompt_chances[f.position] = f;
    }
    void said(engine_connection& engine, const wire::item_failed& f) {
        feed(sched::item_failed{f.request, f.attempt, engine.instance, f.batch, f.fault});
    }
    void said(engine_connection& engine, const wire::batch_done& f) {
        feed(sched::batch_done{engine.instance, f.batch});
    }
    void said(engine_connection& engine, const wire::transfer_done& f) {
        if (const sequence* s = current(f, engine.instance)) {
            // Zero when the KV was there before the first token.
            numbers_.transfer_seconds(s->first == al::instant{} ? 0 : seconds(monotonic() - s->last));
        }
        feed(sched::transfer_done{f.request, f.attempt, engine.instance});
    }
    void said(engine_connection& engine, const wire::transfer_failed& f) {
        spdlog::warn("engine {}: handing over the KV of request {:x} failed: {} ({}, {})", engine.facts.name,
                     f.request.value, al::to_string(f.fault.code), al::to_string(f.fault.from), f.fault.os_code);
        feed(sched::transfer_failed{f.request, f.attempt, engine.instance, f.fault});
    }

    // The sequence that a frame speaks of, if it speaks of its present attempt.
    template <class Frame>
    sequence* current(const Frame& f, al::instance_id from) {
        const auto it = sequences_.find(f.request.value);
        if (it == sequences_.end()) return nullptr;
        sequence& s = *it->second;
        return s.attempt == f.attempt && (s.prefill == from || s.decode == from) ? &s : nullptr;
    }

    void update_ready() {
        std::size_t up[3] = {}, want[3] = {};
        for (const auto& each : engines_)
            up[static_cast<std::size_t>(each->facts.as)] += each->stage == engine_connection::live;
        for (const auto as : expected_) ++want[static_cast<std::size_t>(as)];
        const bool now = std::equal(std::begin(up), std::end(up), std::begin(want), std::greater_equal<>());
        if (now && !ready_) {
            const std::string fabric = fabric_;
            spdlog::info("ready on {}", url_);
            if (!std::exchange(announced_, true) && how_.supervisor_fd < 0) announce_ready(url_, fabric, how_);
            tell_supervisor("ready " + fabric + "\n");
        }
        ready_ = now;
    }

    // ---- tokens become text

    token_chance spelled(const wire::chance& of) const { return {words_.piece(of.token), of.logprob}; }

    token_record record_of(sequence& s, const wire::chance& chosen, const std::vector<wire::chance>& top) const {
        token_record record{.chosen = spelled(chosen), .top = {}, .has_logprob = true, .text_offset = s.characters};
        for (const auto& each : top) record.top.push_back(spelled(each));
        return record;
    }

    // True when the answer ends with it.
    bool take_token(sequence& s, const wire::token& f) {
        const al::instant now = monotonic();
        job& of = *s.of;
        choice part{.index = s.index, .text = {}, .records = {}, .finish_reason = {}};
        if (s.first == al::instant{}) {
            s.first = now;
            numbers_.first_token(seconds(now - s.arrived));
            if (of.want.echo) echo(s, part);
        } else {
            numbers_.next_token(seconds(now - s.last));
        }
        s.last = now;
        s.tokens.push_back(f.chosen.token);
        const std::string bytes = f.stop ? std::string() : words_.bytes(f.chosen.token);
        s.text.push(bytes);
        if (of.want.logprobs) part.records.push_back(record_of(s, f.chosen, f.top));
        s.characters += utf8_characters(bytes);
        part.text += s.text.take();
        const bool ends = f.stop || s.text.stopped();
        if (of.want.stream) {
            if (!f.stop || !part.records.empty() || !part.text.empty()) {
                begin(of);
                of.out->send(chunk_event(of.head, part, std::exchange(s.first_chunk, false), of.want.include_usage));
            }
        } else {
            s.whole += part.text;
            std::move(part.records.begin(), part.records.end(), std::back_inserter(s.records));
        }
        return ends;
    }

    // The prompt goes before the answer.
    void echo(sequence& s, choice& part) {
        for (std::uint32_t i = 0; i < s.prompt_tokens; ++i) {
            const std::string piece = words_.piece(s.tokens[i]);
            if (of_logprobs(s)) {
                if (i == 0 || i >= s.prompt_chances.size()) {
                    part.records.push_back(
                        {.chosen = {piece, 0}, .top = {}, .has_logprob = false, .text_offset = s.characters});
                } else {
                    part.records.push_back(record_of(s, s.prompt_chances[i].chosen, s.prompt_chances[i].top));
                }
            }
            s.characters += utf8_characters(piece);
            part.text += piece;
        }
        part.text = utf8_repaired(part.text);
        s.prompt_chances.clear();
    }
    static bool of_logprobs(const sequence& s) { return s.of->want.logprobs.has_value(); }

    // ---- clients

    void begin(job& of) {
        if (!std::exchange(of.begun, true)) of.out->begin_events(of.headers);
    }

    void complete(job& of) {
        if (std::exchange(of.over, true)) return;
        if (of.want.stream) {
            if (of.want.include_usage) of.out->send(usage_event(of.head, of.used));
            of.out->send(done_event);
            return of.out->finish();
        }
        std::sort(of.done.begin(), of.done.end(), [](const choice& a, const choice& b) { return a.index < b.index; });
        of.out->reply(200, "application/json", whole_answer(of.head, of.done, of.used), of.headers);
    }

    // One choice cannot be had: the whole answer cannot. What else runs for it is cancelled.
    void end_job(const std::shared_ptr<job>& of, const api_error& fault, http_headers headers = {}) {
        if (std::exchange(of->over, true)) return;
        if (of->begun) {
            of->out->send(error_event(fault));
            of->out->abort();
        } else {
            headers.insert(headers.end(), of->headers.begin(), of->headers.end());
            refuse(*of->out, fault, headers);
        }
        for (const auto id : std::exchange(of->open, {})) {
            if (sequences_.contains(id.value)) feed(sched::cancel{id});
        }
    }

    std::unique_ptr<sequence> take(al::request_id id) {
        const auto it = sequences_.find(id.value);
        if (it == sequences_.end()) return nullptr;
        auto s = std::move(it->second);
        sequences_.erase(it);
        return s;
    }

    void ended(const sequence& s, const char* reason, std::uint32_t generated) {
        const al::instant now = monotonic();
        const al::instant batched = s.batched == al::instant{} ? now : s.batched,
                          first = s.first == al::instant{} ? now : s.first;
        numbers_.request_ended(reason, generated, seconds(now - s.arrived), seconds(first - batched),
                               seconds(now - first));
    }

    void refuse(exchange& out, const api_error& fault, const http_headers& headers = {}) {
        numbers_.refused(fault.status);
        out.reply(fault.status, "application/json", error_body(fault), headers);
    }

    void serve(http_request request, std::shared_ptr<exchange> out) {
        const std::string id = request.request_id.empty() ? hex(random_word(), random_word()) : request.request_id;
        const http_headers headers{{"X-Request-Id", id}};
        static const std::map<std::string, std::string, std::less<>> methods = {
            {"/v1/completions", "POST"}, {"/v1/chat/completions", "POST"},
            {"/tokenize", "POST"},       {"/detokenize", "POST"},
            {"/v1/models", "GET"},       {"/health", "GET"},
            {"/metrics", "GET"},         {"/version", "GET"}};
        const auto route = methods.find(request.path);
        if (route == methods.end() && request.path.rfind("/v1/models/", 0) != 0)
            return refuse(
                *out,
                {404, "there is no " + request.path.substr(0, 128) + " here", "", "invalid_request_error", "not_found"},
                headers);
        const std::string method = route == methods.end() ? "GET" : route->second;
        if (request.method != method && !(method == "GET" && request.method == "HEAD")) {
            http_headers allow = headers;
            allow.emplace_back("Allow", method == "GET" ? "GET, HEAD" : method);
            return refuse(*out,
                          {405, request.path + " is for " + method + " requests", "", "invalid_request_error",
                           "method_not_allowed"},
                          allow);
        }
        const std::string& path = request.path;
        // Liveness probes and scrapers carry no key; what they see holds no request's content.
        if (path == "/health") return health(*out, headers);
        if (!how_.api_key.empty() && path != "/metrics" && path != "/version" &&
            !same_secret(request.authorization, "Bearer " + how_.api_key)) {
            http_headers ask = headers;
            ask.emplace_back("WWW-Authenticate", "Bearer");
            return refuse(*out,
                          {401, "give this server's API key as \"Authorization: Bearer KEY\"", "",
                           "authentication_error", "invalid_api_key"},
                          ask);
        }
        if (path == "/metrics") return out->reply(200, "text/plain; version=0.0.4; charset=utf-8", measured(), headers);
        if (path == "/version") return out->reply(200, "application/json", version_body(version_text), headers);
        if (path == "/v1/models") return out->reply(200, "application/json", models_body(limits_, started_), headers);
        if (path.rfind("/v1/models/", 0) == 0) {
            if (path.substr(11) == limits_.model)
                return out->reply(200, "application/json", model_body(limits_, started_), headers);
            return refuse(*out,
                          {404,
                           "the model '" + path.substr(11, 128) + "' does not exist here; this server has '" +
                               limits_.model + "'",
                           "model", "invalid_request_error", "model_not_found"},
                          headers);
        }
        if (path == "/tokenize") return tokenize(request.body, *out, headers);
        if (path == "/detokenize") return detokenize(request.body, *out, headers);
        generate(request.body, path == "/v1/chat/completions", std::move(out), headers, id);
    }

    static bool same_secret(const std::string& a, const std::string& b) {
        unsigned char differs = a.size() != b.size();
        for (std::size_t i = 0; i < b.size(); ++i)
            differs |= static_cast<unsigned char>((i < a.size() ? a[i] : 0) ^ b[i]);
        return differs == 0;
    }

    void health(exchange& out, const http_headers& headers) {
        if (ready_ && !draining_) return out.reply(200, "application/json", "{\"status\":\"ok\"}", headers);
        const char* why = draining_    ? "this server is shutting down"
                          : announced_ ? "an engine is down; it is being started again"
                                       : "loading the model";
        out.reply(503, "application/json", error_body({503, why, "", "unavailable_error", "unavailable"}), headers);
    }

    std::string measured() {
        std::uint64_t used = 0, total = 0;
        for (const auto& each : engines_) {
            if (each->stage != engine_connection::live) continue;
            numbers_.engine(each->facts.name, each->totals, each->facts.blocks_total);
            if (each->facts.as == sched::role::prefill && expected_.size() > 1)
                continue; // decode pools bound what can be served
            total += each->facts.blocks_total;
            used +=
                each->facts.blocks_total - std::min<std::uint64_t>(each->totals.blocks_free, each->facts.blocks_total);
        }
        numbers_.set_load(policy_.live() - policy_.waiting(), policy_.waiting(),
                          total ? static_cast<double>(used) / static_cast<double>(total) : 0);
        return numbers_.text();
    }

    void tokenize(const std::string& body, exchange& out, const http_headers& headers) {
        const auto parsed = parse_tokenize(body, limits_);
        if (const auto* no = std::get_if<api_error>(&parsed)) return refuse(out, *no, headers);
        const auto& want = std::get<tokenize_request>(parsed);
        std::vector<token_id> ids;
        if (want.is_chat) {
            auto chat = words_.encode_chat(want.messages);
            if (const auto* no = std::get_if<api_error>(&chat)) return refuse(out, *no, headers);
            ids = std::move(std::get<std::vector<token_id>>(chat));
        } else {
            ids = words_.encode(want.text);
        }
        std::vector<std::string> pieces;
        if (want.with_pieces) {
            for (const auto id : ids) pieces.push_back(words_.piece(id));
        }
        out.reply(200, "application/json", tokens_body(ids, want.with_pieces ? &pieces : nullptr, limits_.context),
                  headers);
    }
    void detokenize(const std::string& body, exchange& out, const http_headers& headers) {
        const auto parsed = parse_detokenize(body, limits_);
        if (const auto* no = std::get_if<api_error>(&parsed)) return refuse(out, *no, headers);
        std::string text;
        for (const auto id : std::get<std::vector<token_id>>(parsed)) text += words_.piece(id);
        out.reply(200, "application/json", text_body(utf8_repaired(text)), headers);
    }

    void generate(const std::string& body, bool chat, std::shared_ptr<exchange> out, const http_headers& headers,
                  const std::string& id) {
        auto parsed = parse_generation(body, limits_, chat);
        if (const auto* no = std::get_if<api_error>(&parsed)) return refuse(*out, *no, headers);
        generation& want = std::get<generation>(parsed);

        std::vector<std::vector<token_id>> prompts;
        if (chat) {
            auto rendered = words_.encode_chat(want.messages);
            if (const auto* no = std::get_if<api_error>(&rendered)) return refuse(*out, *no, headers);
            prompts.push_back(std::move(std::get<std::vector<token_id>>(rendered)));
        }
        for (auto& each : want.prompts) {
            if (auto* text = std::get_if<std::string>(&each))
                prompts.push_back(words_.encode(*text));
            else
                prompts.push_back(std::move(std::get<std::vector<token_id>>(each)));
        }
        const char* field = chat ? "messages" : "prompt";
        std::uint64_t prompt_tokens = 0;
        for (const auto& each : prompts) {
            prompt_tokens += each.size();
            if (each.empty()) return refuse(*out, {400, "the prompt has no tokens", field}, headers);
            const std::uint64_t most = want.max_tokens.value_or(1);
            if (each.size() + most > limits_.context) {
                return refuse(*out,
                              {400,
                               "this model's context is " + std::to_string(limits_.context) +
                                   " tokens here, but the request needs " + std::to_string(each.size() + most) + ": " +
                                   std::to_string(each.size()) + " in the " + field + " and at least " +
                                   std::to_string(most) +
                                   " for the answer; shorten the prompt, lower max_tokens or start the server with a "
                                   "larger --context",
                               field, "invalid_request_error", "context_length_exceeded"},
                              headers);
            }
        }

        auto of = std::make_shared<job>();
        of->out = std::move(out);
        of->headers = headers;
        of->head = {(chat ? "chatcmpl-" : "cmpl-") + id, unix_seconds(), limits_.model, chat,
                    want.logprobs.has_value()};
        of->used.prompt_tokens = prompt_tokens;
        of->want = std::move(want);
        const generation& ask = of->want;
        const std::uint64_t seed = ask.seed.value_or(random_word());
        of->out->on_gone = [this, weak = std::weak_ptr(of)] {
            const auto gone = weak.lock();
            if (!gone || std::exchange(gone->over, true)) return;
            for (const auto each : std::exchange(gone->open, {})) feed(sched::cancel{each});
        };

        std::vector<sched::arrive> arrivals;
        for (std::uint32_t i = 0; i < prompts.size(); ++i) {
            for (std::uint32_t c = 0; c < ask.n; ++c) {
                auto s = std::make_unique<sequence>();
                s->id = {next_request_++};
                s->of = of;
                s->index = i * ask.n + c;
                s->tokens = prompts[i];
                s->prompt_tokens = static_cast<std::uint32_t>(prompts[i].size());
                s->max_tokens = ask.max_tokens.value_or(limits_.context - s->prompt_tokens);
                s->how = {.temperature = ask.temperature,
                          .top_p = ask.top_p,
                          .top_k = ask.top_k,
                          .seed = c == 0 ? seed : al::mix(seed, c),
                          .prompt_tokens = s->prompt_tokens,
                          .min_tokens = ask.min_tokens,
                          .logprobs = ask.logprobs.has_value(),
                          .top_logprobs = ask.logprobs.value_or(0),
                          .prompt_logprobs = ask.echo && ask.logprobs.has_value(),
                          .stop_tokens = ask.stop_token_ids};
                if (!ask.ignore_eos)
                    s->how.stop_tokens.insert(s->how.stop_tokens.end(), words_.end_tokens().begin(),
                                              words_.end_tokens().end());
                s->text = text_stream(ask.stop, ask.include_stop);
                s->arrived = monotonic();
                arrivals.push_back({s->id, s->prompt_tokens, s->max_tokens, al::instant::never()});
                numbers_.request_began(s->prompt_tokens, s->max_tokens, ask.n);
                of->open.push_back(s->id);
                sequences_.emplace(s->id.value, std::move(s));
            }
        }
        for (const auto& each : arrivals) {
            if (of->over)
                sequences_.erase(each.request.value); // one before it was refused: this one never arrives
            else
                feed(each);
        }
    }

    const settings how_;
    const al::key128 key_;
    const vocabulary words_;
    const api_limits limits_;
    const sched::pd_options options_;
    sched::pd<> policy_;
    sched::actions said_;
    metrics numbers_;

    asio::io_context loop_{1};
    asio::steady_timer timer_{loop_}, drain_timer_{loop_};
    asio::signal_set signals_{loop_, SIGTERM, SIGINT};
    asio::posix::stream_descriptor control_{loop_}, supervisor_{loop_};
    http_server http_;
    std::string control_address_ = "127.0.0.1:0", url_, fabric_;
    std::vector<sched::role> expected_;
    std::list<engine_pointer> engines_;
    std::uint32_t instances_ = 0;

    std::deque<sched::event> waiting_events_;
    bool stepping_ = false;
    std::vector<std::byte> record_;
    int log_fd_ = -1;

    std::unordered_map<std::uint64_t, std::unique_ptr<sequence>> sequences_; // looked up, never walked
    std::uint64_t next_request_;
    const std::int64_t started_;
    bool ready_ = false, announced_ = false, draining_ = false;
};

} // namespace

int run_router(const settings& how) {
    name_process("router");
    router one(how);
    return one.run();
}

} // namespace serve
