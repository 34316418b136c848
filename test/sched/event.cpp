// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/event.hpp>

#include <array>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::sched;

TEST_CASE("every event comes back from its bytes") {
    const error why{errc::corrupt, origin::kv, 7};
    const event all[] = {instance_up{{1}, role::decode, {2}, 3, 4, 5, 6},
                         instance_down{{1}, {2}},
                         heartbeat{{1}, {2}, 3},
                         arrive{{1}, 2, 3, {4}, {5}, 6, {7}},
                         cancel{{1}},
                         sched::stop{{1}},
                         reserved{{1}, 2, {3}, 4},
                         reserve_failed{{1}, 2, {3}, why},
                         prefill_done{{1}, 2, {3}, {4}, true},
                         token{{1}, 2, {3}, {4}, false},
                         item_failed{{1}, 2, {3}, {4}, why},
                         batch_done{{1}, {2}},
                         transfer_done{{1}, 2, {3}},
                         transfer_failed{{1}, 2, {3}, why},
                         tick{},
                         drain{{9}}};
    static_assert(std::size(all) == std::variant_size_v<event>);
    for (std::size_t i = 0; i < std::size(all); ++i) {
        CHECK(all[i].index() == i); // the number on the wire: append, never reorder
        std::array<std::byte, 64> buffer{};
        byte_writer out(buffer);
        encode(out, all[i]);
        REQUIRE(out.ok());
        byte_reader in(out.written());
        event back;
        REQUIRE(decode(in, back));
        CHECK(in.done());
        CHECK(back == all[i]);
    }
}
