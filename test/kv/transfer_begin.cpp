// SPDX-License-Identifier: Apache-2.0
#include <ashlar/kv/transfer_begin.hpp>

#include <algorithm>
#include <array>
#include <vector>

#include <doctest/doctest.h>

#include "couple.hpp"

using namespace ashlar;
using namespace ashlar::literals;
using namespace ashlar::test;

// The five injected references of vllm#52234: none may move a byte, each has its own error.
namespace {
kv::transfer_event refused(couple<by_block>& w, std::span<const std::byte> ticket, request_id r) {
    const auto before = w.d.bytes;
    w.at_p.clear();
    const auto t = w.p.mover.send(r, w.p.other, ticket, w.now);
    if (!t) return {.ok = false, .fault = t.error()};
    (void)w.p.mover.all_ready(*t, {0, 3});
    w.run(20);
    REQUIRE(w.at_p.size() == 1);
    CHECK(w.d.bytes == before);
    return w.at_p[0];
}
kv::ticket opened(std::span<const std::byte> bytes) { return kv::decode_ticket(bytes, fleet).value(); }
} // namespace

TEST_CASE("vllm#52234: an unknown request id is refused as not found") {
    couple<by_block> w;
    auto t = opened(w.open({1}, prompt_of(12)));
    t.transfer.value += 5;
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::not_found);
}

TEST_CASE("vllm#52234: block ids out of range are refused as out of range") {
    couple<by_block> w;
    auto t = opened(w.open({1}, prompt_of(12)));
    t.runs[0].first = shape.blocks - 1;
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::out_of_range);
}

TEST_CASE("vllm#52234: a consumed reference that is used again at once is refused as replayed") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    const auto t = w.p.mover.send({1}, w.p.other, bytes, w.now);
    CHECK(w.p.mover.send({1}, w.p.other, bytes, w.now).error().code == errc::replayed); // while it runs
    REQUIRE(w.p.mover.all_ready(*t, {0, 3}));
    w.run(20);
    REQUIRE(w.at_d.at(0).ok);
    CHECK(refused(w, bytes, {1}).fault.code == errc::replayed); // and after
}

TEST_CASE("vllm#52234: a stale reference, after its pages were reused or its issuer restarted, is refused") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    const auto id = opened(bytes).transfer;
    REQUIRE(w.d.mover.cancel(id));
    REQUIRE(w.d.pages.close({1}));
    w.run(5);
    REQUIRE(w.d.pages.open({9}, prompt_of(12, 9), 4)); // another prompt has the pages now
    CHECK(refused(w, bytes, {1}).fault.code == errc::cancelled);
    auto t = opened(bytes);
    t.epoch = {23}; // a former life of the issuer
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::stale);
}

TEST_CASE("vllm#52234: a reference beyond its lease is refused as expired") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    w.run(30, 50_ms); // 1.5 s, the lease is 1 s
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].fault.code == errc::expired);
    CHECK(w.d.pages.counts().quarantined == 0); // nobody had ever come: nobody to wait for
    CHECK(refused(w, bytes, {1}).fault.code == errc::expired);
}

TEST_CASE("whoever does not hold a ticket cannot use it up") {
    couple<by_block> w;
    std::array<std::byte, kv::ticket_bytes_max> copy{};
    const auto bytes = w.open({1}, prompt_of(12));
    std::copy(bytes.begin(), bytes.end(), copy.begin());
    auto t = opened(bytes);
    t.slot ^= 1; // the transfer is right, all else is guessed
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::forged);
    w.at_p.clear();
    const auto honest = w.p.mover.send({1}, w.p.other, std::span(copy).first(bytes.size()), w.now);
    REQUIRE(honest);
    REQUIRE(w.p.mover.all_ready(*honest, {0, 3}));
    w.run(20);
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].ok);
}

TEST_CASE("a ticket changed on its way is refused as forged, another layout as an invalid argument") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    w.buffer[40] ^= std::byte{1};
    CHECK(refused(w, bytes, {1}).fault.code == errc::forged);
    w.buffer[40] ^= std::byte{1};
    auto t = opened(bytes);
    t.layout.lo ^= 1;
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::invalid_argument);
}

TEST_CASE("a ticket is not presented to a peer that is down, nor to one that was never connected") {
    couple<by_block> w;
    const auto ticket = w.open({1}, prompt_of(12));
    w.p.net.disconnect(w.p.other);
    CHECK(w.p.mover.send({1}, w.p.other, ticket, w.now).error().code == errc::peer_down);
    CHECK(w.p.mover.send({1}, {7}, ticket, w.now).error().code == errc::peer_down);
    CHECK(w.p.mover.send({1}, fabric::peer_id::none(), ticket, w.now).error().code == errc::peer_down);
    CHECK(w.p.mover.sending() == 0);
    CHECK(w.p.pages.counts().leased == 0);
}
