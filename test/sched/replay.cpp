// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/replay.hpp>

#include <vector>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

namespace {
std::vector<std::byte> some_log() {
    std::vector<std::byte> buffer(4096);
    byte_writer out(buffer);
    small_world w;
    write_log_head(out, small_options);
    const event events[] = {instance_up{{1}, role::prefill, {11}, 10, 16, 8, 4},
                            instance_up{{2}, role::decode, {12}, 10, 16, 8, 4},
                            arrive{{7}, 10, 2},
                            reserved{{7}, 1, {2}, 0},
                            reserved{{7}, 1, {1}, 0},
                            instance_down{{1}, {11}}};
    for (const event& e : events) {
        w.now = w.now + 1_ms;
        (void)w.tell(e);
        write_record(out, w.now, e, w.said);
    }
    buffer.resize(out.size());
    return buffer;
}
const auto make = [](const pd_options& o) { return pd<>(o); };
} // namespace

TEST_CASE("a log replays to the identical actions, also when its writer was killed in the middle of a record") {
    std::vector<std::byte> log = some_log();
    const auto whole = replay(log, make);
    REQUIRE(whole);
    CHECK(whole->identical());
    CHECK(whole->records == 6);
    CHECK_FALSE(whole->truncated);
    log.resize(log.size() - 3);
    const auto cut = replay(log, make);
    REQUIRE(cut);
    CHECK(cut->identical());
    CHECK(cut->records == 5);
    CHECK(cut->truncated);
}

TEST_CASE("a log with another decision in it differs there") {
    std::vector<std::byte> log = some_log();
    log.back() ^= std::byte{1}; // the last action of the last record
    const auto r = replay(log, make);
    REQUIRE(r);
    CHECK_FALSE(r->identical());
    CHECK(r->first_difference == 5);
}

TEST_CASE("what is no log is refused") {
    const std::vector<std::byte> zeros(100);
    const auto r = replay(zeros, make);
    REQUIRE(!r);
    CHECK(r.error().code == errc::corrupt);
}
