// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/fault.hpp>

#include <initializer_list>

#include <doctest/doctest.h>

using namespace ashlar;

TEST_CASE("the presets are what they say: nothing wrong, nothing lost, everything wrong") {
    constexpr sim::faults none = sim::faults::none(), slow = sim::faults::slow(), rough = sim::faults::rough();
    CHECK(none.pieces_max == 1);
    CHECK(none.reorder + none.drop_message + none.duplicate_message + none.stall + none.fail_write +
              none.corrupt_write ==
          0);
    CHECK(slow.drop_message + slow.duplicate_message + slow.fail_write + slow.corrupt_write == 0);
    CHECK(slow.pieces_max > 1);
    for (float p : {rough.reorder, rough.drop_message, rough.duplicate_message, rough.stall, rough.fail_write,
                    rough.corrupt_write}) {
        CHECK(p > 0);
        CHECK(p < 1);
    }
}
