// SPDX-License-Identifier: Apache-2.0
// sched::registration and sched::membership against a directory of this file's own in virtual time: leases that run
// out, answers and questions that are lost, late watches, compactions, silences with and without their leases kept.
// Whatever happens, a name has one owner at most, nobody leaves during a silence, and in the end all agree.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/sched/membership.hpp>
#include <ashlar/sched/registration.hpp>
#include <ashlar/sim/timeline.hpp>

#include "seeds.hpp"

using namespace ashlar;
using namespace ashlar::literals;
using sched::registration;
using call = registration::call;

namespace {

constexpr duration ttl = 5_s, grace = 5_s;
constexpr std::uint32_t everybody = ~0u;
constexpr std::uint32_t processes = 6, names = 4; // two names are wanted by two

// One server: what a transaction sees is what there is.
struct server {
    struct entry {
        std::uint64_t lease = 0;
        sched::revision_id created{};
    };
    struct lease {
        std::uint64_t id = 0;
        instant until{};
    };
    entry entries[names];
    std::vector<lease> leases;
    std::uint64_t revision = 1, last_lease = 0;
    std::vector<std::pair<std::uint32_t, sched::directory_event>> log; // since `first`
    std::uint64_t first = 0;

    std::uint64_t end() const { return first + log.size(); }
    void expire(instant now) {
        for (auto& e : entries) {
            const bool lives = std::any_of(leases.begin(), leases.end(),
                                           [&](const lease& l) { return l.id == e.lease && l.until > now; });
            if (e.lease == 0 || lives) continue;
            ++revision;
            const auto name = static_cast<std::uint32_t>(&e - entries);
            log.push_back({name, sched::member_down{{name + 1}, e.created}});
            e = {};
        }
        std::erase_if(leases, [&](const lease& l) { return l.until <= now; });
    }
    lease* find(std::uint64_t id) {
        const auto it = std::find_if(leases.begin(), leases.end(), [&](const lease& l) { return l.id == id; });
        return it == leases.end() ? nullptr : &*it;
    }
};

struct process {
    registration own{{.retry_after = 250_ms}};
    std::uint32_t name = 0;
    std::uint64_t lease = 0;
    int cut = 0; // it hears nothing
    sched::membership all{{.members_max = names, .grace = grace}};
    sched::membership_changes out = all.changes();
    bool synced = false;
    std::uint64_t heard = 0; // of the server's log
    instant last_answer{};
};

struct message {
    enum class kind : std::uint8_t { tick, ask, answer, silence, speak } what{};
    std::uint32_t who = 0;
    std::uint64_t number = 0; // of the question
    call asked = call::none;
    enum class word : std::uint8_t { granted, claimed, taken, renewed, no_lease, nothing } said{};
    std::uint64_t lease = 0;
    sched::revision_id created{};
};

struct world {
    explicit world(std::uint64_t seed) : random{.seed = seed} {
        for (std::uint32_t i = 0; i < processes; ++i) {
            all[i].name = i % names;
            later.after({static_cast<std::int64_t>(random.below(1'000'000'000))},
                        {.what = message::kind::tick, .who = i});
        }
        for (std::uint32_t i = 0; i < 12; ++i) { // silences, some longer than a lease: for all of them, or for one
            const std::uint32_t who = i < 4 ? everybody : static_cast<std::uint32_t>(random.below(processes));
            const instant at{static_cast<std::int64_t>(random.below(60'000'000'000))};
            later.at(at, {.what = message::kind::silence, .who = who});
            later.at(at + duration{static_cast<std::int64_t>(random.below(12'000'000'000))},
                     {.what = message::kind::speak, .who = who});
        }
    }

    void run() {
        constexpr instant calm{80'000'000'000}, end{120'000'000'000};
        while (const auto m = later.next(end)) {
            lossy = later.now() < calm;
            if (!silent) etcd.expire(later.now());
            on(*m);
            check();
        }
        std::uint32_t owners = 0;
        for (const process& p : all) {
            owners += p.own.holds(later.now());
            CHECK_FALSE(p.all.frozen());
            CHECK(p.all.size() == names);
            for (std::uint32_t n = 0; n < names; ++n) CHECK(p.all.created({n + 1}) == etcd.entries[n].created);
        }
        CHECK(owners == names);
    }

    void on(const message& m) {
        if (m.who == everybody) return turn(m);
        process& p = all[m.who];
        const instant now = later.now();
        switch (m.what) {
        case message::kind::silence:
            ++p.cut;
            break;
        case message::kind::speak:
            --p.cut;
            break;
        case message::kind::tick: {
            watch(p, now);
            if (const call due = p.own.due(now); due != call::none) {
                later.after(
                    delay(),
                    {.what = message::kind::ask, .who = m.who, .number = ++questions, .asked = due, .lease = p.lease});
                patience.push_back({m.who, questions, now + 1_s});
            }
            // An answer that is too late is none.
            for (auto& each : patience) {
                if (each.who == m.who && each.until <= now) p.own.failed(now), each.until = instant::never();
            }
            std::erase_if(patience, [](const auto& each) { return each.until == instant::never(); });
            const auto frozen_size = p.all.size();
            tell(p, sched::tick{});
            if (p.all.frozen()) CHECK(p.all.size() == frozen_size);
            later.after(50_ms, {.what = message::kind::tick, .who = m.who});
            break;
        }
        case message::kind::ask: {
            if (silent || p.cut || (lossy && random.chance(0.1f))) break;
            message back{
                .what = message::kind::answer, .who = m.who, .number = m.number, .asked = m.asked, .lease = m.lease};
            answer(m, all[m.who].name, back);
            if (lossy && random.chance(0.1f)) break;
            later.after(delay(), back);
            break;
        }
        case message::kind::answer: {
            const auto waits = std::find_if(patience.begin(), patience.end(),
                                            [&](const auto& each) { return each.number == m.number; });
            if (waits == patience.end()) break; // given up
            patience.erase(waits);
            p.last_answer = now;
            using word = message::word;
            if (m.said == word::granted) p.lease = m.lease, p.own.granted(ttl, now);
            if (m.said == word::claimed) p.own.claimed(m.created);
            if (m.said == word::taken) p.own.taken(now);
            if (m.said == word::renewed) p.own.renewed(ttl, now);
            if (m.said == word::no_lease) p.own.lease_lost(now);
            break;
        }
        }
    }

    // The directory itself goes or comes.
    void turn(const message& m) {
        silent += m.what == message::kind::silence ? 1 : -1;
        if (silent == 0 && random.chance(0.5f)) { // it was restarted, or has another leader: leases begin anew
            for (auto& l : etcd.leases) l.until = later.now() + ttl;
        }
    }

    void answer(const message& m, std::uint32_t name, message& back) {
        using word = message::word;
        const instant now = later.now();
        if (m.asked == call::grant) {
            etcd.leases.push_back({++etcd.last_lease, now + ttl});
            back.said = word::granted;
            back.lease = etcd.last_lease;
            return;
        }
        server::lease* l = etcd.find(m.lease);
        back.said = word::no_lease;
        if (!l) return;
        if (m.asked == call::renew) {
            l->until = now + ttl;
            back.said = word::renewed;
            return;
        }
        auto& e = etcd.entries[name];
        if (e.lease == 0) {
            e = {m.lease, {++etcd.revision}};
            etcd.log.push_back({name, sched::member_up{{name + 1}, e.created}});
        }
        back.said = e.lease == m.lease ? word::claimed : word::taken;
        back.created = e.created;
    }

    // What a process hears of the directory between two of its ticks.
    void watch(process& p, instant now) {
        if (silent || p.cut) {
            if (now - p.last_answer > ttl / 2) p.synced = false, tell(p, sched::directory_lost{});
            return;
        }
        if (lossy && random.chance(0.3f)) return; // late
        p.last_answer = now;
        if (random.chance(0.01f)) etcd.first = etcd.end(), etcd.log.clear(); // compacted
        if (!p.synced || p.heard < etcd.first) {
            tell(p, sched::listing{});
            for (std::uint32_t n = 0; n < names; ++n) {
                if (etcd.entries[n].lease) tell(p, sched::member_up{{n + 1}, etcd.entries[n].created});
            }
            tell(p, sched::listed{});
            p.synced = true;
        } else {
            for (auto i = p.heard; i < etcd.end(); ++i) tell(p, etcd.log[i - etcd.first].second);
        }
        p.heard = etcd.end();
        if (p.own.entered() && etcd.entries[p.name].lease != p.lease) p.own.evicted(p.own.claimed(), now);
    }

    void tell(process& p, const sched::directory_event& e) {
        p.all.step(e, later.now(), p.out);
        for (const auto& each : p.out) hash = mix(hash, mix(static_cast<std::uint64_t>(each.what), each.created.value));
    }

    void check() const {
        for (std::uint32_t n = 0; n < names; ++n) {
            std::uint32_t owners = 0;
            for (const process& p : all) owners += p.name == n && p.own.holds(later.now());
            if (owners > 1) FAIL("two owners of name ", n, " at ", later.now().ns);
        }
    }
    duration delay() { return {static_cast<std::int64_t>(random.below(lossy ? 1'200'000'000 : 20'000'000))}; }

    struct wait {
        std::uint32_t who;
        std::uint64_t number;
        instant until;
    };
    random_stream random;
    sim::timeline<message> later{4096};
    server etcd;
    process all[processes];
    std::vector<wait> patience;
    std::uint64_t questions = 0;
    int silent = 0;
    bool lossy = true;
    std::uint64_t hash = 0;
};

} // namespace

TEST_CASE("one owner a name, frozen in silence, and agreement in the end, whatever the directory does") {
    scenario::for_each_seed(200, [](std::uint64_t seed) {
        CAPTURE(seed);
        world first(seed), second(seed);
        first.run();
        second.run();
        CHECK(first.hash == second.hash);
    });
}
