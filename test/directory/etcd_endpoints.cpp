// SPDX-License-Identifier: Apache-2.0
// Which endpoints there are, and where they are when they move. Names are looked up here by functions of the test's
// own.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <support/directory/etcd_endpoints.hpp>

#include "contract.hpp"
#include "etcd_server.hpp"

#include <support/directory/etcd.hpp>

using namespace ashlar;
using directory_contract::monotonic;
using directory_contract::observer;
using directory_contract::until;
using sched::membership_change;
using support::etcd;
using support::etcd_endpoints;

namespace {

using addresses = std::vector<std::string>;

std::atomic<int> asked = 0;
std::atomic<bool> hangs = false;
std::atomic<const char*> found = "";

addresses by_hand(const std::string& host) { // "" finds nothing
    ++asked;
    while (hangs) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::string address = host == "other" ? "127.0.0.9" : found.load();
    return address.empty() ? addresses{} : addresses{address};
}

std::string now(const etcd_endpoints& where) {
    return where.name() + " " + where.address().address().to_string() + " " + std::to_string(where.address().port());
}

} // namespace

TEST_CASE("the address of such a directory is checked in every part") {
    using support::etcd_options_of;
    const auto good = etcd_options_of("etcd://10.0.0.1:2379,[::1]:2380/blue-1");
    REQUIRE(good);
    CHECK(good->endpoints == std::vector<std::string>{"10.0.0.1:2379", "[::1]:2380"});
    CHECK(good->fleet == "blue-1");
    CHECK(etcd_options_of("etcd://a:1")->fleet == "default");
    for (const char* bad :
         {"", "http://a:1", "etcd://", "etcd:///x", "etcd://a", "etcd://:1", "etcd://a:", "etcd://a:1x",
          "etcd://a:1,,b:2", "etcd://a:1/", "etcd://a:1/x/y", "etcd://a:1/x y", "etcd://a:123456"}) {
        const auto read = etcd_options_of(bad);
        REQUIRE_MESSAGE(!read, bad);
        CHECK(read.fault().what.code == errc::invalid_argument);
        CHECK(read.fault().sentence.find("write etcd://HOST:PORT") != std::string::npos);
    }
}

TEST_CASE("names are looked up again when all addresses have failed, one lookup at a time, and nobody waits for it") {
    directory_contract::background = [] {};
    asked = 0, found = "127.0.0.1";
    etcd_endpoints where({"member:1", "10.0.0.1:2", "other:3"}, by_hand);
    CHECK(asked == 2); // what is in digits is not asked for
    CHECK(now(where) == "member:1 127.0.0.1 1");
    found = "127.0.0.2";
    CHECK_FALSE(where.next());
    CHECK(now(where) == "10.0.0.1:2 10.0.0.1 2");
    CHECK_FALSE(where.next());
    CHECK(asked == 2);
    hangs = true;
    CHECK(where.next());
    for (int i = 0; i < 300; ++i) {
        where.next();
        CHECK_FALSE(where.moved());
    }
    CHECK(until([] { return asked == 3; }));
    hangs = false;
    CHECK(until([&] { return where.moved(); }));
    CHECK(asked == 4);
    CHECK(now(where) == "member:1 127.0.0.2 1");
    CHECK_FALSE(where.moved());

    found = ""; // a name that has no address at the moment keeps those that it had
    for (int i = 0; i < 3; ++i) where.next();
    CHECK(until([] { return asked == 6; }));
    for (int i = 0; i < 100; ++i) CHECK_FALSE(where.moved());
    CHECK(now(where) == "member:1 127.0.0.2 1");

    hangs = true; // who goes does not wait either
    asked = 0;
    while (asked == 0) where.moved(), where.next();
    {
        const etcd_endpoints gone = std::move(where);
    }
    hangs = false;
    CHECK(until([] { return asked == 2; }));
    CHECK_THROWS_WITH(etcd_endpoints({"member:1"}, by_hand), "etcd at member:1: the host has no address");
    CHECK_THROWS(etcd_endpoints({"member"}, by_hand));
    CHECK_THROWS(etcd_endpoints({}, by_hand));
}

TEST_CASE("a name that is given twice is one endpoint") {
    directory_contract::background = [] {};
    asked = 0, found = "127.0.0.1";
    etcd_endpoints where({"member:1", "member:1", "member:2"}, by_hand);
    CHECK(asked == 2);
    found = "";
    for (int round = 0; round < 6; ++round) {
        int tries = 1;
        for (asked = 0; !where.next(); ++tries) REQUIRE(tries < 3);
        CHECK(tries == 2);
        REQUIRE(until([] { return asked == 2; }));
        for (int i = 0; i < 100; ++i) CHECK_FALSE(where.moved());
    }
}

TEST_CASE("what the machine knows of a host") {
    CHECK(support::addresses_of("127.0.0.1") == addresses{"127.0.0.1"});
    CHECK_FALSE(support::addresses_of("localhost").empty());
    CHECK(support::addresses_of("no such host").empty());
}

TEST_CASE("etcd that comes back at another address under its name is found there, and the watch goes on") {
    using change = membership_change::kind;
    etcd_server server;
    directory_contract::background = [] {};
    found = "127.0.0.1";
    const auto open = [&] { return etcd({.endpoints = {"member:" + server.port()}, .ttl_s = 40, .lookup = by_hand}); };
    observer<etcd> seen(open()), joins(open());
    joins.directory.join({.name = "decode/5", .address = "127.0.0.1", .incarnation = 5});
    REQUIRE(until([&] { return joins.directory.mine().entered() && seen.has("decode/5"); }, joins, seen));
    const auto claimed = joins.directory.mine().claimed();
    const auto lists = seen.directory.relisted();
    server.move("127.0.0.2"), found = "127.0.0.2";
    observer<etcd> later(etcd({.endpoints = {server.endpoint()}, .ttl_s = 40}));
    later.directory.join({.name = "prefill/1", .address = "127.0.0.1", .incarnation = 1});
    REQUIRE(until([&] { return seen.has("prefill/1") && joins.has("prefill/1"); }, joins, seen, later));
    CHECK(seen.directory.relisted() == lists);
    CHECK(seen.count(change::froze) == 0);
    CHECK(joins.directory.mine().claimed() == claimed);
    CHECK(joins.directory.mine().holds(monotonic()));
}
