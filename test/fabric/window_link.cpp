// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window_link.hpp>

#include <array>

#include <doctest/doctest.h>

#include <ashlar/fabric/window.hpp>

using namespace ashlar;
using namespace ashlar::fabric;

TEST_CASE("an address comes back as it went, and cut or changed ones are refused") {
    std::array<std::byte, window_address::wire_size> wire{};
    byte_writer out(wire);
    window_address{{123, 456}, 789, 5, {2, 8192, 3}}.put(out);
    REQUIRE(out.ok());
    REQUIRE(out.size() == wire.size());
    const auto back = window_address::get(wire);
    REQUIRE(back);
    CHECK(back->owner == process{123, 456});
    CHECK(back->epoch == 789);
    CHECK(back->descriptor == 5);
    for (std::size_t n = 0; n < wire.size(); ++n) CHECK(!window_address::get(std::span(wire).first(n)));
    wire[0] ^= std::byte{1};
    CHECK(!window_address::get(wire));
}

TEST_CASE("an address of an incarnation that is gone is a dead peer, whatever has its numbers now") {
    window net = window::open({}).value();
    auto a = window_address::get(net.address()).value();
    CHECK(window_link::open(a, 1, process::self().value()));
    auto other_epoch = a;
    other_epoch.epoch ^= 1;
    CHECK(window_link::open(other_epoch, 1, process::self().value()).error().code == errc::peer_down);
    auto other_start = a;
    other_start.owner.start += 1;
    CHECK(window_link::open(other_start, 1, process::self().value()).error().code == errc::peer_down);
    auto larger = a;
    larger.shape.lanes = 4000;
    CHECK(window_link::open(larger, 1, process::self().value()).error().code == errc::corrupt);
    auto no_memory = a;
    no_memory.descriptor = 0;
    CHECK(!window_link::open(no_memory, 1, process::self().value()));
}

TEST_CASE("a peer whose region table lies is not believed") {
    window net = window::open({}).value();
    const auto bytes = net.allocate(4096).value();
    const region r = net.register_memory({bytes.data(), bytes.size(), memory_kind::host}).value();
    const auto a = window_address::get(net.address()).value();
    auto link = window_link::open(a, 1, process::self().value());
    REQUIRE(link);
    REQUIRE(link->resolve(r.remote, 0, 4096));
    window_region& entry = window_layout::region(reinterpret_cast<std::byte*>(&link->control()), r.remote.key & 0xffff);
    entry.offset.store_seq_cst(1);
    CHECK(link->resolve(r.remote, 0, 4096).error().code == errc::corrupt);
    entry.offset.store_seq_cst(0);
    entry.file_size.store_seq_cst(std::uint64_t{1} << 40);
    CHECK(!link->resolve(r.remote, 0, 4096));
    entry.file_size.store_seq_cst(4096);
    entry.file.store_seq_cst(std::uint64_t{99} << 32);
    CHECK(link->resolve(r.remote, 0, 4096).error().code == errc::corrupt);
}
