// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/request_table.hpp>

#include <set>
#include <utility>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;
using namespace ashlar::sched;

TEST_CASE("the earliest deadline is known through opening and closing in any order") {
    request_table table(64);
    std::set<std::pair<std::int64_t, std::uint64_t>> model; // deadline, id
    random_stream random{.seed = 3};
    std::uint64_t next = 1;
    for (int i = 0; i < 5000; ++i) {
        if (table.size() < table.capacity() && (model.empty() || random.chance(0.55f))) {
            const std::uint32_t slot = table.open({next});
            table[slot].deadline = {static_cast<std::int64_t>(random.below(40))};
            table.watch(slot);
            model.emplace(table[slot].deadline.ns, next++);
        } else {
            auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random.below(model.size())));
            table.close(table.find({victim->second}));
            model.erase(victim);
        }
        REQUIRE(table.size() == model.size());
        if (model.empty()) {
            REQUIRE(table.next_deadline() == instant::never());
            continue;
        }
        REQUIRE(table.next_deadline().ns == model.begin()->first);
        REQUIRE(table[table.earliest()].id.value == model.begin()->second); // ties: the lower id
    }
}

TEST_CASE("a closed request is not found, and its slot is clean when it is opened again") {
    request_table table(1);
    const std::uint32_t slot = table.open({7});
    table[slot].generated = 5;
    CHECK(table.find({7}) == slot);
    table.close(slot);
    CHECK(table.find({7}) == no_slot);
    CHECK(table.open({8}) == slot);
    CHECK(table[slot].generated == 0);
}
