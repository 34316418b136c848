// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>

#include <support/directory/etcd_conversation.hpp>
#include <support/directory/etcd_endpoints.hpp>
#include <support/directory/etcd_gateway.hpp>

namespace ashlar::support {

namespace asio = boost::asio;
namespace gateway = etcd_gateway;
using call = sched::registration::call;
using kind = directory_news::kind;

struct etcd::state {
    explicit state(etcd_options options)
        : how(std::move(options)), prefix("/ashlar/" + how.fleet + "/"),
          where(how.endpoints, how.lookup ? how.lookup : addresses_of), own({.retry_after = how.retry_after}) {}
    ~state() {
        if (asked) asked->end("left");
        if (watch) watch->end("left");
        loop.poll(); // lets go of what they hold
    }

    duration ttl() const { return {std::int64_t{how.ttl_s} * 1'000'000'000}; }

    std::shared_ptr<etcd_conversation> ask(const gateway::request& what, bool endless = false) {
        auto one = std::make_shared<etcd_conversation>(loop, endless);
        one->start(where.address(), where.name(), what, how.call_timeout);
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
        complaint = "etcd at " + where.name() + ": " + why;
        if (watch) watch->end("moving on"), watch = nullptr;
        if (where.next()) pause_until = now + how.retry_after; // all of them, a moment ago
    }

    void poll(instant now, std::vector<directory_news>& news) {
        if (heard_at == instant{}) heard_at = now; // from the beginning on
        loop.restart();
        loop.poll();
        hear_answer(now, news);
        follow(now, news);
        if (!asked && where.moved()) pause_until = now;
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
    etcd_endpoints where;
    std::uint64_t lists = 0;
    std::string complaint = "etcd does not answer";
    instant pause_until{}, heard_at{};
    bool lost = false;

    bool joined = false;
    directory_entry me;
    sched::registration own;
    std::uint64_t lease = 0;

    std::shared_ptr<etcd_conversation> asked, watch;
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
const std::string& etcd::endpoint() const { return state_->where.name(); }
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

} // namespace ashlar::support
