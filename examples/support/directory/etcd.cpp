// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <support/directory/etcd_gateway.hpp>

namespace ashlar::support {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace gateway = etcd_gateway;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using call = sched::registration::call;
using kind = directory_news::kind;

namespace {

constexpr std::size_t answer_bytes_max = 8 << 20;

// One request on a connection of its own and its answer, which for a watch goes on line by line. Polled: it tells
// nobody, `over` says that it is.
class conversation : public std::enable_shared_from_this<conversation> {
public:
    conversation(asio::io_context& loop, bool endless) : socket_(loop), timer_(loop), endless_(endless) {
        parser_.eager(true);
        if (endless)
            parser_.body_limit(boost::none);
        else
            parser_.body_limit(answer_bytes_max);
    }

    void start(const tcp::endpoint& to, const std::string& host, const gateway::request& ask, duration patience) {
        out_ = "POST " + ask.path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n" +
               // A watch ends when its server has no leader, instead of saying nothing for ever.
               (endless_ ? "Grpc-Metadata-hasleader: true\r\n" : "Connection: close\r\n") +
               "Content-Length: " + std::to_string(ask.body.size()) + "\r\n\r\n" + ask.body;
        timer_.expires_after(std::chrono::nanoseconds(patience.ns));
        timer_.async_wait([self = shared_from_this()](error_code ec) {
            if (!ec) self->end("no answer in time");
        });
        socket_.async_connect(to, [self = shared_from_this()](error_code ec) {
            if (ec || self->over) return self->end(ec.message());
            self->write();
        });
    }
    void end(std::string why) {
        if (std::exchange(over, true)) return;
        complaint = std::move(why);
        error_code ignored;
        timer_.cancel();
        socket_.close(ignored);
    }
    unsigned status() const { return parser_.is_header_done() ? parser_.get().result_int() : 0; }
    std::string& body() { return parser_.get().body(); }
    bool whole() const { return parser_.is_done(); }
    std::optional<std::string> line() {
        const auto end = body().find('\n');
        if (end == std::string::npos) return std::nullopt;
        std::string one = body().substr(0, end);
        body().erase(0, end + 1);
        return one;
    }

    bool over = false;
    std::string complaint;

private:
    void write() {
        asio::async_write(socket_, asio::buffer(out_), [self = shared_from_this()](error_code ec, std::size_t) {
            if (ec || self->over) return self->end(ec.message());
            self->read();
        });
    }
    void read() {
        socket_.async_read_some(in_.prepare(16 << 10), [self = shared_from_this()](error_code ec, std::size_t n) {
            if (self->over) return;
            self->in_.commit(n);
            self->parse(ec);
        });
    }
    void parse(error_code read) {
        error_code ec;
        while (in_.size() > 0 && !parser_.is_done() && !ec) {
            const std::size_t used = parser_.put(in_.data(), ec);
            in_.consume(used);
            if (used == 0) break;
        }
        if (ec == bhttp::error::need_more) ec = {};
        if (!ec && read && parser_.got_some() && !parser_.is_done()) parser_.put_eof(ec);
        if (ec) return end(ec.message());
        if (body().size() > answer_bytes_max) return end("an answer of more than 8 MiB");
        if (endless_ && parser_.is_header_done()) timer_.cancel(); // from here on the calls beside it watch over it
        if (parser_.is_done()) return end({});
        if (read) return end(read.message());
        this->read();
    }

    tcp::socket socket_;
    asio::steady_timer timer_;
    const bool endless_;
    std::string out_;
    beast::flat_buffer in_;
    bhttp::response_parser<bhttp::string_body> parser_;
};

} // namespace

struct etcd::state {
    explicit state(etcd_options options)
        : how(std::move(options)), prefix("/ashlar/" + how.fleet + "/"), own({.retry_after = how.retry_after}) {
        for (const auto& each : how.endpoints) {
            const auto colon = each.rfind(':');
            std::string host = each.substr(0, colon);
            if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
            error_code ec;
            const auto found = tcp::resolver(loop).resolve(host, each.substr(colon + 1), ec);
            if (ec || found.empty()) throw std::runtime_error("etcd at " + each + ": " + ec.message());
            for (const auto& one : found) endpoints.push_back({each, one.endpoint()}); // a name may have several
        }
        if (endpoints.empty()) throw std::runtime_error("etcd needs an endpoint, HOST:PORT");
    }
    ~state() {
        if (asked) asked->end("left");
        if (watch) watch->end("left");
        loop.poll(); // lets go of what they hold
    }

    duration ttl() const { return {std::int64_t{how.ttl_s} * 1'000'000'000}; }

    std::shared_ptr<conversation> ask(const gateway::request& what, bool endless = false) {
        auto one = std::make_shared<conversation>(loop, endless);
        one->start(endpoints[at].where, endpoints[at].name, what, how.call_timeout);
        return one;
    }

    // ---- the one call that is under way

    enum class purpose : std::uint8_t { own, list, probe };

    void call_something(instant now) {
        if (asked || now < pause_until) return;
        if (const call due = joined ? own.due(now) : call::none; due != call::none) {
            asked_for = purpose::own;
            own_call = due;
            asked = ask(due == call::grant   ? gateway::grant(how.ttl_s)
                        : due == call::renew ? gateway::renew(lease)
                                             : gateway::claim(prefix, me, lease));
        } else if (!synced) {
            asked_for = purpose::list;
            asked = ask(gateway::list(prefix));
        } else if (now - heard_at >= ttl() / 5) { // is it still there, and with a leader?
            asked_for = purpose::probe;
            asked = ask(gateway::list(prefix + "none/"));
        }
    }

    void hear_answer(instant now, std::vector<directory_news>& news) {
        if (!asked || !asked->over) return;
        const auto answer = std::exchange(asked, nullptr);
        std::string why;
        if (!answer->whole())
            why = answer->complaint;
        else if (asked_for == purpose::own)
            why = settle(answer->status(), answer->body(), now);
        else if (answer->status() != 200)
            why = "HTTP status " + std::to_string(answer->status()) + ": " + in_quotes(answer->body());
        else
            why = take_list(answer->body(), now, news);
        if (why.empty())
            heard_at = now, lost = false;
        else
            ask_another(now, why);
        if (!why.empty() && asked_for == purpose::own) own.failed(now);
    }

    // What came of a call for the own entry; a sentence when that is nothing.
    std::string settle(unsigned status, const std::string& body, instant now) {
        if (status != 200) {
            if (!gateway::says_no_lease(body)) return "HTTP status " + std::to_string(status) + ": " + in_quotes(body);
            own.lease_lost(now);
            return {};
        }
        if (own_call == call::claim) {
            const auto got = gateway::read_claim(body, lease);
            if (!got) return got.fault().sentence;
            if (got->ours)
                own.claimed(got->created);
            else
                own.taken(now);
            return {};
        }
        const auto got = gateway::read_lease(body);
        if (!got) return got.fault().sentence;
        const duration left{std::int64_t{got->ttl_s} * 1'000'000'000};
        if (own_call == call::grant) {
            if (got->ttl_s == 0) return "a lease without a TTL";
            lease = got->lease;
            own.granted(left, now);
        } else if (got->ttl_s == 0) {
            own.lease_lost(now);
        } else {
            own.renewed(left, now);
        }
        return {};
    }

    std::string take_list(const std::string& body, instant now, std::vector<directory_news>& news) {
        auto got = gateway::read_list(body, prefix);
        if (!got) return got.fault().sentence;
        if (got->revision < revision)
            return "its revisions start again: it is another cluster than before, or one from a backup; restart the "
                   "processes of this fleet"; // a watch from a revision to come would say nothing for ever
        if (asked_for == purpose::probe) return {};
        revision = got->revision;
        synced = true;
        ++lists;
        known.clear();
        news.push_back({.what = kind::listing});
        for (auto& e : got->entries) {
            known[e.name] = e.created;
            news.push_back({.what = kind::up, .entry = std::move(e)});
        }
        news.push_back({.what = kind::listed});
        if (own.entered() && !known.contains(me.name)) own.evicted(own.claimed(), now);
        return {};
    }

    // ---- the watch

    void follow(instant now, std::vector<directory_news>& news) {
        if (!synced) return;
        if (!watch) {
            if (now >= pause_until) watch = ask(gateway::watch(prefix, revision + 1), true);
            return;
        }
        if (watch->status() == 200) {
            while (const auto line = watch->line()) {
                const auto got = gateway::read_watch(*line, prefix);
                if (!got) return ask_another(now, got.fault().sentence);
                // Only an event says how far it has come: the header's revision runs ahead of a watch that catches up.
                for (const auto& each : got->events) take_event(each, now, news), revision = each.revision;
                if (got->compacted) { // what happened in between nobody can tell: list anew
                    synced = false;
                    watch->end("compacted");
                    watch = nullptr;
                    return;
                }
                if (got->canceled) return ask_another(now, "the watch was canceled");
            }
        }
        if (watch->over) ask_another(now, watch->complaint.empty() ? "the watch ended" : watch->complaint);
    }

    void take_event(const gateway::stored& e, instant now, std::vector<directory_news>& news) {
        const std::string& name = e.entry.name;
        if (!e.deleted) {
            known[name] = e.entry.created;
            news.push_back({.what = kind::up, .entry = e.entry});
            return;
        }
        const auto it = known.find(name);
        if (it == known.end()) return;
        news.push_back({.what = kind::down, .entry = {.name = name, .created = it->second}});
        if (joined && name == me.name) own.evicted(it->second, now);
        known.erase(it);
    }

    void ask_another(instant now, std::string why) {
        complaint = "etcd at " + endpoints[at].name + ": " + why;
        if (watch) watch->end("moving on"), watch = nullptr;
        at = (at + 1) % endpoints.size();
        if (++failures % endpoints.size() == 0) pause_until = now + how.retry_after; // all of them, a moment ago
    }

    void poll(instant now, std::vector<directory_news>& news) {
        if (heard_at == instant{}) heard_at = now; // from the beginning on
        loop.restart();
        loop.poll();
        hear_answer(now, news);
        follow(now, news);
        if (!lost && now - heard_at >= ttl() / 2) {
            lost = true;
            synced = false; // a whole list is what ends it
            if (watch) watch->end("lost"), watch = nullptr;
            news.push_back({.what = kind::fault, .text = complaint});
            news.push_back({.what = kind::lost});
        }
        call_something(now);
        loop.restart();
        loop.poll();
    }

    etcd_options how;
    std::string prefix;
    asio::io_context loop{1};
    struct address {
        std::string name; // as it was given
        tcp::endpoint where;
    };
    std::vector<address> endpoints;
    std::size_t at = 0;
    std::uint64_t failures = 0, lists = 0;
    std::string complaint = "etcd does not answer";
    instant pause_until{}, heard_at{};
    bool lost = false;

    bool joined = false;
    directory_entry me;
    sched::registration own;
    std::uint64_t lease = 0;

    std::shared_ptr<conversation> asked, watch;
    purpose asked_for = purpose::list;
    call own_call = call::none;

    bool synced = false;        // a whole list, and a watch from there on
    std::uint64_t revision = 0; // up to which everything has been told
    std::map<std::string, sched::revision_id> known;
};

etcd::etcd(etcd_options how) : state_(std::make_unique<state>(std::move(how))) {}
etcd::etcd(etcd&&) noexcept = default;
etcd& etcd::operator=(etcd&&) noexcept = default;
etcd::~etcd() = default;

void etcd::join(directory_entry mine) {
    state_->me = std::move(mine);
    state_->joined = true;
}
void etcd::poll(instant now, std::vector<directory_news>& news) { state_->poll(now, news); }
sched::registration etcd::mine() const { return state_->own; }
bool etcd::busy() const { return state_->asked != nullptr; }
const std::string& etcd::endpoint() const { return state_->endpoints[state_->at].name; }
std::uint64_t etcd::relisted() const { return state_->lists; }

void etcd::leave() {
    state& s = *state_;
    if (!std::exchange(s.joined, false) || s.lease == 0) return;
    if (s.asked) s.asked->end("leaving"), s.asked = nullptr;
    const auto goodbye = s.ask(gateway::revoke(std::exchange(s.lease, 0)));
    s.own = sched::registration({.retry_after = s.how.retry_after});
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    s.loop.restart();
    while (!goodbye->over && std::chrono::steady_clock::now() < until) s.loop.run_one_until(until);
    goodbye->end("left");
}

outcome<etcd_options> etcd_options_of(std::string_view url) {
    constexpr std::string_view scheme = "etcd://";
    const auto bad = [&](const std::string& why) {
        return make_fault(errc::invalid_argument,
                          in_quotes(url) + " " + why + "; write etcd://HOST:PORT,HOST:PORT/FLEET");
    };
    if (!url.starts_with(scheme)) return bad("does not begin with etcd://");
    std::string_view rest = url.substr(scheme.size());
    etcd_options out;
    if (const auto slash = rest.find('/'); slash != rest.npos) {
        out.fleet = rest.substr(slash + 1);
        rest = rest.substr(0, slash);
        const bool odd = out.fleet.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                                     "-_.") != std::string::npos;
        if (out.fleet.empty() || out.fleet.size() > 64 || odd)
            return bad("names a fleet that is not 1 to 64 letters, digits, '-', '_' and '.'");
    }
    while (!rest.empty()) {
        const auto comma = std::min(rest.find(','), rest.size());
        const std::string_view one = rest.substr(0, comma);
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        const auto colon = one.rfind(':');
        const std::string_view port = colon == one.npos ? std::string_view() : one.substr(colon + 1);
        if (colon == 0 || port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos)
            return bad("has an endpoint " + in_quotes(one) + " that is not HOST:PORT");
        out.endpoints.emplace_back(one);
    }
    if (out.endpoints.empty() || out.endpoints.size() > 16) return bad("names not 1 to 16 endpoints");
    return out;
}

} // namespace ashlar::support
