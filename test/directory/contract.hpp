// SPDX-License-Identifier: Apache-2.0
// What every directory keeps, over whatever stands behind it. A world makes directories and plays the other side:
//
//     D open();                                           // a directory on what stands behind
//     void enter(name, address);  void remove(name);      // somebody else's entry comes and goes
//     void cut();  void heal();                           // nobody can hear the directory, and can again
//     void poll();                                        // keeps those entries
//     static constexpr duration grace;                    // of the membership
//     static constexpr bool owners;                       // a name that its owner leaves can be another's
//
// Every wait is bounded by `patience`.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/sched/membership.hpp>
#include <support/directory/directory.hpp>

namespace directory_contract {

using namespace ashlar;
using support::directory_entry;
using support::directory_news;
using kind = directory_news::kind;

inline constexpr std::chrono::seconds patience{40};

// The other side's own work while somebody waits: its entries are kept alive.
inline std::function<void()> background = [] {};

inline instant monotonic() {
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
                .count()};
}

inline duration grace{};

// A directory and the membership that its news make.
template <class D>
struct observer {
    explicit observer(D one) : directory(std::move(one)) {}

    D directory;
    sched::membership all{{.members_max = 64, .grace = grace}};
    sched::membership_changes out = all.changes();
    std::map<std::string, std::uint64_t> numbers;
    std::map<std::string, directory_entry> entries;
    std::vector<sched::membership_change> said;
    std::vector<directory_news> raw;
    std::vector<std::string> faults;

    void poll() {
        const instant now = monotonic();
        std::vector<directory_news> news;
        directory.poll(now, news);
        for (const auto& each : news) {
            raw.push_back(each);
            const sched::member_id id{numbers.try_emplace(each.entry.name, numbers.size() + 1).first->second};
            switch (each.what) {
            case kind::listing:
                tell(sched::listing{}, now);
                break;
            case kind::up:
                entries[each.entry.name] = each.entry;
                tell(sched::member_up{id, each.entry.created}, now);
                break;
            case kind::down:
                tell(sched::member_down{id, each.entry.created}, now);
                break;
            case kind::listed:
                tell(sched::listed{}, now);
                break;
            case kind::lost:
                tell(sched::directory_lost{}, now);
                break;
            case kind::fault:
                faults.push_back(each.text);
                break;
            }
        }
        tell(sched::tick{}, now);
    }
    bool has(const std::string& name) const { return numbers.contains(name) && all.has({numbers.at(name)}); }
    std::uint64_t created(const std::string& name) const { return all.created({numbers.at(name)}).value; }
    std::size_t count(sched::membership_change::kind what) const {
        std::size_t n = 0;
        for (const auto& each : said) n += each.what == what;
        return n;
    }

private:
    void tell(const sched::directory_event& e, instant now) {
        all.step(e, now, out);
        said.insert(said.end(), out.begin(), out.end());
    }
};

// Polls them all until it has happened. `always` must hold after every poll.
template <class... D>
bool until(const std::function<bool()>& happened, const std::function<void()>& always, observer<D>&... all) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
        (all.poll(), ...);
        background();
        always();
        if (happened()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
}
template <class... D>
bool until(const std::function<bool()>& happened, observer<D>&... all) {
    return until(happened, std::function<void()>([] {}), all...);
}
template <class... D>
void for_a_while(std::chrono::nanoseconds time, observer<D>&... all) {
    const auto end = std::chrono::steady_clock::now() + time;
    (void)until([&] { return std::chrono::steady_clock::now() >= end; }, all...);
}

template <class World>
void run(World& world) {
    using D = decltype(world.open());
    static_assert(support::directory<D>);
    using change = sched::membership_change::kind;
    background = [&] { world.poll(); };
    grace = World::grace;
    const std::chrono::nanoseconds longer(World::grace.ns * 5 / 4);

    SUBCASE("entries come, go and come back under a later revision") {
        world.enter("router", "127.0.0.1:9000");
        world.enter("prefill/1", "127.0.0.1");
        observer<D> seen(world.open());
        REQUIRE(until([&] { return !seen.all.frozen(); }, seen));
        CHECK(seen.has("router"));
        CHECK(seen.has("prefill/1"));
        CHECK(seen.entries["router"].address == "127.0.0.1:9000");
        CHECK(seen.raw.front().what == kind::listing);
        world.enter("decode/1", "127.0.0.2");
        REQUIRE(until([&] { return seen.has("decode/1"); }, seen));
        CHECK(seen.entries["decode/1"].address == "127.0.0.2");
        const auto first = seen.created("decode/1");
        CHECK(first > 0);
        world.remove("decode/1");
        REQUIRE(until([&] { return !seen.has("decode/1"); }, seen));
        world.enter("decode/1", "127.0.0.2");
        REQUIRE(until([&] { return seen.has("decode/1"); }, seen));
        CHECK(seen.created("decode/1") > first);
        CHECK(seen.faults.empty());
    }

    SUBCASE("who joins is seen by others under the revision that it was told, and keeps it") {
        world.enter("router", "127.0.0.1:9000");
        world.enter("prefill/1", "127.0.0.1");
        if constexpr (!World::owners) world.enter("prefill/2", "127.0.0.2");
        observer<D> joins(world.open()), seen(world.open());
        joins.directory.join({.name = "prefill/2", .address = "127.0.0.2", .incarnation = 77});
        REQUIRE(until([&] { return joins.directory.mine().holds(monotonic()) && seen.has("prefill/2"); }, joins, seen));
        CHECK(seen.created("prefill/2") == joins.directory.mine().claimed().value);
        for_a_while(longer, joins, seen);
        CHECK(joins.directory.mine().lost() == 0);
        CHECK(seen.count(change::moved) == 0);
        CHECK(seen.count(change::left) == 0);
    }

    SUBCASE("of two with one name at most one has it at any time") {
        world.enter("decode/1", "127.0.0.1");
        if constexpr (!World::owners) world.enter("router", "127.0.0.1:9001");
        observer<D> one(world.open()), two(world.open());
        one.directory.join({.name = "router", .address = "127.0.0.1:9001", .incarnation = 1});
        const auto at_most_one = [&] {
            const instant now = monotonic();
            CHECK_FALSE((one.directory.mine().holds(now) && two.directory.mine().holds(now)));
        };
        REQUIRE(until([&] { return one.directory.mine().holds(monotonic()); }, at_most_one, one));
        two.directory.join({.name = "router", .address = "127.0.0.1:9002", .incarnation = 2});
        REQUIRE(until([&] { return two.directory.mine().superseded(); }, at_most_one, one, two));
        const auto first = one.directory.mine().claimed();
        if constexpr (World::owners)
            one.directory.leave();
        else
            world.remove("router"), world.enter("router", "127.0.0.1:9002");
        REQUIRE(until([&] { return two.directory.mine().holds(monotonic()); }, at_most_one, one, two));
        CHECK(two.directory.mine().claimed() > first);
        CHECK_FALSE(two.directory.mine().superseded());
        REQUIRE(until([&] { return two.has("router") && two.entries["router"].address == "127.0.0.1:9002"; },
                      at_most_one, two));
    }

    SUBCASE("a directory that is lost freezes the membership; heard again it lives on under a new epoch") {
        world.enter("router", "127.0.0.1:9000");
        world.enter("prefill/1", "127.0.0.1");
        if constexpr (!World::owners) world.enter("decode/1", "127.0.0.1");
        observer<D> joins(world.open()), seen(world.open());
        joins.directory.join({.name = "decode/1", .address = "127.0.0.1", .incarnation = 5});
        REQUIRE(until([&] { return joins.directory.mine().entered() && seen.has("decode/1"); }, joins, seen));
        world.cut();
        REQUIRE(until([&] { return seen.all.frozen() && joins.all.frozen(); }, joins, seen));
        CHECK(seen.faults.size() == 1); // in words, once
        const auto frozen_at = seen.all.epoch();
        for_a_while(longer, joins, seen);
        CHECK(seen.all.epoch() == frozen_at);
        CHECK(seen.all.size() == 3);
        CHECK(joins.directory.mine().entered()); // a directory that says nothing takes nothing away
        world.heal();
        REQUIRE(until([&] { return !seen.all.frozen() && !joins.all.frozen(); }, joins, seen));
        REQUIRE(until([&] { return joins.directory.mine().entered(); }, joins, seen));
        for_a_while(longer, joins, seen);
        CHECK(seen.all.epoch() > frozen_at);
        CHECK(seen.count(change::left) == 0);
        CHECK(seen.has("decode/1"));
        CHECK(joins.directory.mine().entered());
        CHECK(seen.count(change::froze) == 1);
        CHECK(seen.faults.size() == 1);
    }
}

} // namespace directory_contract
