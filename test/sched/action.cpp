// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/action.hpp>

#include <array>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::sched;

TEST_CASE("every action comes back from its bytes") {
    const error why{errc::peer_down, origin::sched, 0};
    const action all[] = {reject{{1}, reject_reason::too_long, {2}},
                          finish{{1}, finish_reason::length, 3},
                          fail{{1}, why},
                          retry{{1}, 2, 3, why},
                          reserve{{1}, 2, {3}, role::prefill, 4, 5, {6}},
                          launch_batch{{1}, {2}, 3, 4},
                          batch_item{{1}, 2, item_kind::decode, 3, 1, true},
                          release{{1}, 2, {3}},
                          instance_lost{{1}, {2}},
                          set_timer{{5}},
                          drained{}};
    static_assert(std::size(all) == std::variant_size_v<action>);
    for (std::size_t i = 0; i < std::size(all); ++i) {
        CHECK(all[i].index() == i);
        std::array<std::byte, 64> buffer{};
        byte_writer out(buffer);
        encode(out, all[i]);
        byte_reader in(out.written());
        action back;
        REQUIRE(decode(in, back));
        CHECK(in.done());
        CHECK(back == all[i]);
    }
}
