// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/op.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::fabric;

TEST_CASE("a new op is idle and a new peer id is nobody") {
    CHECK(op{}.status == op_status::idle);
    CHECK(peer_id{} == peer_id::none());
    CHECK(peer_id{0} != peer_id::none());
    CHECK(!peer_state{}.up);
    CHECK(completion{}.peer == peer_id::none());
}
