// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window_lanes.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::fabric;

namespace {
struct shared {
    window_layout shape{2, 8192, 1};
    shared_memory block = shared_memory::create(shape.bytes()).value();
    window_lanes lanes{shape, block.data()};
    peer_table<window_link> peers{2};
    process self = process::self().value();

    ring_sender claim(std::size_t i, std::uint64_t epoch) {
        window_lane& lane = shape.lane(block.data(), i);
        lane.owner.store_release(self.packed());
        lane.epoch.store_release(epoch);
        return ring_sender(lane.at, shape.ring(block.data(), i), shape.ring_bytes);
    }
};
constexpr std::byte word[8] = {std::byte{1}};
} // namespace

TEST_CASE("lanes are read in turn, and no more messages a poll than there are places for their bytes") {
    shared w;
    ring_sender a = w.claim(0, 11), b = w.claim(1, 12);
    for (int i = 0; i < 20; ++i) a.push({.what = window_lanes::message_record}, word);
    b.push({.what = window_lanes::immediate_record, .immediate = 7}, {});
    CHECK(w.lanes.something_to_poll());
    w.lanes.begin();
    completion c;
    REQUIRE(w.lanes.poll(c, w.peers));
    CHECK(c.what == completion::kind::message);
    CHECK(c.peer == peer_id::none()); // not connected here
    REQUIRE(w.lanes.poll(c, w.peers));
    CHECK(c.what == completion::kind::immediate);
    CHECK(c.immediate == 7);
    int more = 0;
    while (w.lanes.poll(c, w.peers)) ++more;
    CHECK(more == 15);
    w.lanes.begin();
    while (w.lanes.poll(c, w.peers)) ++more;
    CHECK(more == 19);
    CHECK_FALSE(w.lanes.something_to_poll());
}

TEST_CASE("nonsense breaks the lane of who wrote it and no other") {
    shared w;
    ring_sender a = w.claim(0, 11), b = w.claim(1, 12);
    a.push({.what = 99}, word);
    a.push({.what = window_lanes::message_record}, word);
    b.push({.what = window_lanes::message_record}, word);
    w.lanes.begin();
    completion c;
    REQUIRE(w.lanes.poll(c, w.peers));
    CHECK(c.message.size() == sizeof word);
    CHECK_FALSE(w.lanes.poll(c, w.peers));
    CHECK_FALSE(w.lanes.something_to_poll());
    w.shape.lane(w.block.data(), 0).leaving.store_release(1); // then it is another's, though nobody read the rest
    CHECK(w.lanes.something_to_poll());
    CHECK_FALSE(w.lanes.poll(c, w.peers));
    CHECK(w.shape.lane(w.block.data(), 0).owner.load_acquire() == 0);
    CHECK_FALSE(w.lanes.something_to_poll());
}

TEST_CASE("a lane whose sender left is free once it is read empty") {
    shared w;
    ring_sender a = w.claim(0, 11);
    a.push({.what = window_lanes::immediate_record}, {});
    w.shape.lane(w.block.data(), 0).leaving.store_release(1);
    w.lanes.begin();
    completion c;
    REQUIRE(w.lanes.poll(c, w.peers));
    CHECK(w.shape.lane(w.block.data(), 0).owner.load_acquire() != 0);
    CHECK_FALSE(w.lanes.poll(c, w.peers));
    CHECK(w.shape.lane(w.block.data(), 0).owner.load_acquire() == 0);
}
