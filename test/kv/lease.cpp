// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/lease.hpp>

using namespace ashlar;

TEST_CASE("a lease's name is never used again, and a full table says so") {
    kv::lease_table table(2, 3);
    kv::lease_id last{};
    for (int i = 0; i < 10; ++i) {
        REQUIRE(table.next_pages().size() == 3);
        const auto id = table.add({.request = {5}});
        CHECK(id > last);
        CHECK(table.find(id)->request == request_id{5});
        CHECK(table.find(last) == nullptr);
        table.remove(id);
        CHECK(table.find(id) == nullptr);
        last = id;
    }
    (void)table.add({}), (void)table.add({});
    CHECK(table.next_pages().empty());
    CHECK(table.size() == 2);
}
