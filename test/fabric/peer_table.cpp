// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/peer_table.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::fabric;

TEST_CASE("ids are reused, generations never") {
    peer_table<int> peers(2);
    CHECK(peers.insert(7).value() == peer_id{0});
    CHECK(peers.insert(8).value() == peer_id{1});
    CHECK(peers.insert(9).error().code == errc::exhausted);
    CHECK(peers.find_if([](int link) { return link == 8; }) == peer_id{1});
    peers.erase({0});
    CHECK(peers.state({0}) == peer_state{false, 1});
    CHECK(peers.usable({0}).error().code == errc::not_found);
    CHECK(peers.insert(10).value() == peer_id{0});
    CHECK(peers.state({0}) == peer_state{true, 2});
}

TEST_CASE("a peer that went down is told of once, with its reason") {
    peer_table<int> peers(4);
    const peer_id a = peers.insert(1).value(), b = peers.insert(2).value();
    peers.take_down(a, {errc::peer_down, origin::ofi, 111});
    peers.take_down(a, {errc::peer_down, origin::ofi, 112}); // too late
    completion said;
    REQUIRE(peers.report(said));
    CHECK(said.what == completion::kind::peer_down);
    CHECK(said.peer == a);
    CHECK(said.fault.os_code == 111);
    CHECK(!peers.report(said));
    CHECK(peers.usable(a).error() == error{errc::peer_down, origin::ofi, 111});
    CHECK(peers.usable(b));
    peers.take_down(b, {});
    peers.erase(b); // nobody wants to know any more
    CHECK(!peers.report(said));
    CHECK(!peers.has_report());
}
