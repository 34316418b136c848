// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd.hpp>

#include <map>
#include <memory>
#include <optional>

#include "contract.hpp"
#include "etcd_server.hpp"

#include <support/directory/etcd_gateway.hpp>

using namespace ashlar;
using directory_contract::monotonic;
using directory_contract::observer;
using directory_contract::until;
using sched::membership_change;
using support::etcd;

namespace {

// Other processes' entries, each kept by a directory of its own.
struct etcd_world {
    static constexpr duration grace{3'000'000'000};
    static constexpr bool owners = true;
    static etcd_server& server() { // one for the whole program; every world has a fleet of its own
        static etcd_server one;
        return one;
    }
    static std::string by_name() { return "localhost" + server().endpoint().substr(server().endpoint().find(':')); }
    static inline unsigned worlds = 0;
    std::string fleet = "test-" + std::to_string(++worlds);
    std::map<std::string, std::unique_ptr<observer<etcd>>> others;

    etcd open() { return etcd({.endpoints = {by_name()}, .fleet = fleet, .ttl_s = 3}); }
    void enter(const std::string& name, const std::string& address) {
        auto one = std::make_unique<observer<etcd>>(open());
        one->directory.join({.name = name, .address = address, .incarnation = 1});
        REQUIRE(until([&] { return one->directory.mine().entered(); }, *one));
        others[name] = std::move(one);
    }
    void remove(const std::string& name) {
        others.at(name)->directory.leave();
        others.erase(name);
    }
    void poll() {
        for (auto& [name, one] : others) one->poll();
    }
    void cut() { server().signal(SIGSTOP); }
    void heal() { server().signal(SIGCONT); }
};

} // namespace

TEST_CASE("etcd keeps the contract of a directory") {
    etcd_world world;
    directory_contract::run(world);
}

TEST_CASE("what etcd does to its clients") {
    using change = membership_change::kind;
    namespace gateway = support::etcd_gateway;
    etcd_world world;
    directory_contract::background = [&] { world.poll(); };
    directory_contract::grace = etcd_world::grace;
    etcd_server& server = etcd_world::server();
    const std::string prefix = "/ashlar/" + world.fleet + "/";
    // Half a lease without a word is a loss: a long one, so that a short death of the server is none.
    observer<etcd> seen(etcd({.endpoints = {server.endpoint()}, .fleet = world.fleet, .ttl_s = 40}));
    observer<etcd> joins(world.open());
    joins.directory.join({.name = "decode/5", .address = "127.0.0.1", .incarnation = 5});
    REQUIRE(until([&] { return joins.directory.mine().entered() && seen.has("decode/5"); }, joins, seen));
    const auto first = joins.directory.mine().claimed();
    const auto ask = [&](const gateway::request& what) { return server.post(what.path, what.body); };

    SUBCASE("a lease dies and is renewed: the owner joins again under a later revision, nobody leaves") {
        const auto answer = ask(gateway::claim(prefix, {.name = "decode/5", .address = "x"}, 1));
        const auto at = answer.find("\"lease\":\"");
        REQUIRE(at != answer.npos);
        (void)ask(gateway::revoke(std::stoull(answer.substr(at + 9))));
        REQUIRE(until([&] { return joins.directory.mine().lost() == 1 && joins.directory.mine().holds(monotonic()); },
                      joins, seen));
        CHECK(joins.directory.mine().claimed() > first);
        REQUIRE(until([&] { return seen.created("decode/5") == joins.directory.mine().claimed().value; }, joins, seen));
        CHECK(seen.count(change::left) == 0);
        CHECK(seen.count(change::moved) == 1);
    }

    SUBCASE("the same behind the owner's back, with its loop stopped until the lease has run out") {
        REQUIRE(
            until([&] { return !seen.raw.empty() && seen.raw.back().what == directory_contract::kind::down; }, seen));
        REQUIRE(until([&] { return joins.directory.mine().lost() == 1 && joins.directory.mine().holds(monotonic()); },
                      joins, seen));
        REQUIRE(until([&] { return seen.created("decode/5") == joins.directory.mine().claimed().value; }, joins, seen));
        CHECK(joins.directory.mine().claimed() > first);
        CHECK(seen.count(change::left) == 0); // back within the grace
    }

    SUBCASE("an entry is deleted although its lease lives") {
        const std::string key = gateway::to_base64(prefix + "decode/5");
        (void)server.post("/v3/kv/deleterange", "{\"key\":\"" + key + "\"}");
        REQUIRE(until([&] { return joins.directory.mine().lost() == 1 && joins.directory.mine().holds(monotonic()); },
                      joins, seen));
        CHECK(joins.directory.mine().claimed() > first);
    }

    SUBCASE("a watch that is taken up again below a compaction lists anew") {
        world.enter("prefill/1", "127.0.0.1");
        REQUIRE(until([&] { return seen.has("prefill/1"); }, joins, seen));
        const auto lists = seen.directory.relisted();
        server.kill_and_wait(); // its watch ends, and it does not hear what comes now
        server.start();
        REQUIRE(until([&] { return !server.post("/v3/kv/range", "{\"key\":\"YQ==\"}").empty(); }, joins));
        world.remove("prefill/1");
        world.enter("prefill/2", "127.0.0.1");
        const auto list = gateway::read_list(ask(gateway::list(prefix)), prefix);
        REQUIRE(list);
        const std::string revision = std::to_string(list->revision);
        (void)server.post("/v3/kv/compaction", "{\"revision\":\"" + revision + "\",\"physical\":true}");
        REQUIRE(until([&] { return seen.has("prefill/2") && !seen.has("prefill/1"); }, joins, seen));
        CHECK(seen.directory.relisted() == lists + 1);
        CHECK(seen.count(change::froze) == 0);
        CHECK(seen.has("decode/5"));
    }

    SUBCASE("a short death of the server is no event: the watch goes on where it stopped") {
        const auto lists = seen.directory.relisted();
        server.kill_and_wait();
        server.start();
        world.enter("prefill/3", "127.0.0.1");
        REQUIRE(until([&] { return seen.has("prefill/3"); }, joins, seen));
        CHECK(seen.directory.relisted() == lists);
        CHECK(seen.count(change::froze) == 0);
        CHECK(seen.count(change::moved) == 0); // leases outlive their server
        CHECK(joins.directory.mine().claimed() == first);
    }

    SUBCASE("what others write under the prefix is no member unless it is an entry") {
        for (const char* value : {"", "{}", "[1]", "nonsense", "{\"address\":7}", "{\"address\":\"a b\"}",
                                  "{\"address\":\"x\",\"incarnation\":\"-1\"}"})
            (void)server.post("/v3/kv/put", "{\"key\":\"" + gateway::to_base64(prefix + "prefill/9") +
                                                "\",\"value\":\"" + gateway::to_base64(value) + "\"}");
        world.enter("prefill/4", "127.0.0.1");
        REQUIRE(until([&] { return seen.has("prefill/4"); }, joins, seen));
        CHECK_FALSE(seen.has("prefill/9"));
        CHECK(seen.faults.empty());
        observer<etcd> later(world.open());
        REQUIRE(until([&] { return !later.all.frozen(); }, joins, later));
        CHECK(later.has("prefill/4"));
        CHECK_FALSE(later.has("prefill/9"));
    }
}

TEST_CASE("an etcd whose revisions start again is refused in words, and takes nobody away") {
    etcd_server own;
    const auto open = [&] { return etcd({.endpoints = {own.endpoint()}, .ttl_s = 3}); };
    directory_contract::background = [] {};
    observer<etcd> seen(open()), joins(open());
    joins.directory.join({.name = "router", .address = "127.0.0.1:1", .incarnation = 1});
    REQUIRE(until([&] { return seen.has("router"); }, seen, joins));
    own.kill_and_wait();
    own.wipe();
    own.start();
    REQUIRE(until([&] { return !seen.faults.empty() && seen.faults.back().find("start again") != std::string::npos; },
                  seen));
    CHECK(seen.all.frozen());
    CHECK(seen.has("router"));
}
