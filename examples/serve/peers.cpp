// SPDX-License-Identifier: Apache-2.0
#include "peers.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

#include "clock.hpp"
#include "link.hpp"
#include "wire.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace support = ashlar::support;
using kind = support::directory_news::kind;
using change = sched::membership_change::kind;

namespace {

template <class T>
T or_throw(support::outcome<T> one) {
    if (!one) throw std::runtime_error(one.fault().sentence);
    return std::move(one).value();
}

std::string engine_name(std::string_view role, std::uint64_t incarnation) {
    char digits[20];
    std::snprintf(digits, sizeof digits, "/%016llx", static_cast<unsigned long long>(incarnation));
    return std::string(role) + digits;
}

constexpr std::uint32_t members_max = 1024; // as many as the router takes connections

} // namespace

peers::peers(const settings& how, std::string role)
    : how_(how), role_(std::move(role)),
      // A lease's time is enough for an owner to learn that it has died, and to join again.
      all_({.members_max = members_max, .grace = {std::int64_t{support::etcd_options{}.ttl_s} * 1'000'000'000}}),
      changes_(all_.changes()) {
    if (how.peers.empty()) return;
    if (how.peers.starts_with("etcd:"))
        directory_.emplace<support::etcd>(or_throw(support::etcd_options_of(how.peers)));
    else
        directory_.emplace<support::static_file>(how.peers);
    poll(monotonic());
}
peers::~peers() { leave(); }

void peers::join(const std::string& address, std::uint64_t incarnation) {
    if (by_etcd()) own_name_ = role_ == "router" ? role_ : engine_name(role_, incarnation);
    std::visit(
        [&](auto& d) {
            if constexpr (requires { d.mine(); })
                d.join({.name = by_etcd() ? own_name_ : role_, .address = address, .incarnation = incarnation});
        },
        directory_);
}

void peers::leave() {
    std::visit(
        [](auto& d) {
            if constexpr (requires { d.leave(); }) d.leave();
        },
        directory_);
}

void peers::poll(al::instant now) {
    news_.clear();
    std::visit(
        [&](auto& d) {
            if constexpr (requires { d.poll(now, news_); }) d.poll(now, news_);
        },
        directory_);
    for (const auto& each : news_) hear(each, now);
    if (now >= all_.wake()) tell(sched::tick{}, now);
    if (by_etcd()) say_how_it_stands();
}

bool peers::busy() const {
    const auto* d = std::get_if<support::etcd>(&directory_);
    return d && d->busy();
}

// ---- what the directory says

sched::member_id peers::number_of(const std::string& name) {
    known& one = names_[name];
    if (one.number.value == 0) one.number = {++last_number_};
    return one.number;
}

void peers::hear(const news& one, al::instant now) {
    switch (one.what) {
    case kind::listing: // a directory that was lost has frozen the membership
        if (by_etcd() && !all_.frozen()) spdlog::info("the directory has compacted what was not heard; listing anew");
        return tell(sched::listing{}, now);
    case kind::up: {
        const auto number = number_of(one.entry.name);
        known& at = names_[one.entry.name];
        if (one.entry.created >= at.entry.created) at.entry = one.entry;
        tell(sched::member_up{number, one.entry.created}, now);
        if (!all_.has(number)) names_.erase(one.entry.name); // more than there is room for
        return;
    }
    case kind::down:
        if (!names_.contains(one.entry.name)) return;
        return tell(sched::member_down{number_of(one.entry.name), one.entry.created}, now);
    case kind::listed:
        return tell(sched::listed{}, now);
    case kind::lost:
        return tell(sched::directory_lost{}, now);
    case kind::fault:
        fault_ = one.text;
        if (all_.frozen()) spdlog::warn("no word of the directory yet: {}; trying again", fault_);
    }
}

void peers::tell(const sched::directory_event& e, al::instant now) {
    all_.step(e, now, changes_);
    const auto level = by_etcd() ? spdlog::level::info : spdlog::level::debug;
    for (const auto& each : changes_) {
        const auto at = std::find_if(names_.begin(), names_.end(),
                                     [&](const auto& one) { return one.second.number == each.member; });
        switch (each.what) {
        case change::joined:
            spdlog::log(level, "member {} joined, revision {}", at->first, each.created.value);
            break;
        case change::moved:
            spdlog::log(level, "member {} joined anew, revision {}", at->first, each.created.value);
            break;
        case change::left:
            spdlog::log(level, "member {} left", at->first);
            names_.erase(at);
            break;
        case change::froze:
            spdlog::warn("the directory is lost ({}); the membership is frozen at epoch {} with {} members", fault_,
                         all_.epoch(), all_.size());
            break;
        case change::thawed:
            spdlog::log(level, "the directory is heard; the membership lives at epoch {} with {} members", all_.epoch(),
                        all_.size());
        }
    }
}

void peers::say_how_it_stands() {
    const sched::registration own = mine();
    if (own.entered() != was_entered_) {
        was_entered_ = own.entered();
        if (was_entered_)
            spdlog::info("this process is {} in the directory, revision {}", own_name_, own.claimed().value);
        else
            spdlog::warn("this process has lost its place in the directory; joining again");
    }
    if (own.superseded() != was_superseded_) {
        was_superseded_ = own.superseded();
        if (was_superseded_) spdlog::warn("another process is {} in the directory; standing by", own_name_);
    }
}

// ---- what is known

sched::registration peers::mine() const {
    const auto* d = std::get_if<support::etcd>(&directory_);
    return d ? d->mine() : sched::registration({.retry_after = {}});
}
bool peers::entered() const { return !by_etcd() || mine().entered(); }
bool peers::superseded() const { return by_etcd() && mine().superseded(); }

peers::place peers::router() const {
    if (!how_.control.empty()) return {how_.control};
    const auto at = names_.find("router");
    if (at == names_.end() || !all_.has(at->second.number)) return {};
    return {at->second.entry.address, at->second.entry.incarnation};
}

std::string peers::own_host() const {
    if (how_.peers.empty()) return {};
    if (by_etcd()) return how_.address;
    for (const auto& [name, one] : names_) {
        if (support::role_in(name) == role_ && is_of_this_machine(one.entry.address)) return one.entry.address;
    }
    throw std::runtime_error("none of the '" + role_ + " HOST' lines of " + how_.peers +
                             " is an address of this machine");
}

bool peers::has(std::uint64_t member) const {
    if (!by_etcd()) return true;
    for (const std::string_view role : {"prefill", "decode", "unified"}) {
        const auto at = names_.find(engine_name(role, member));
        if (at != names_.end() && all_.has(at->second.number)) return true;
    }
    return false;
}

std::vector<sched::role> peers::engines() const {
    std::vector<sched::role> roles;
    for (const auto& [name, one] : names_) {
        if (name != "router" && all_.has(one.number)) roles.push_back(wire::role_of(support::role_in(name)));
    }
    return roles;
}

} // namespace serve
