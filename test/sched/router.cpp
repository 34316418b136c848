// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/router.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::sched;

namespace {
std::uint32_t add(fleet& f, std::uint32_t id, role as, std::uint32_t blocks = 100) {
    return f.add({{id}, as, {id}, blocks, 16, 64, 8}, {});
}
} // namespace

TEST_CASE("prefill goes to the shortest queue in tokens, decode to the least loaded pool, ties to the lowest id") {
    fleet f(8);
    const std::uint32_t p9 = add(f, 9, role::prefill), p3 = add(f, 3, role::prefill);
    const std::uint32_t d8 = add(f, 8, role::decode), d2 = add(f, 2, role::decode, 50);
    const shortest_queue_least_kv router;
    CHECK(router.place(f, {10, 20}).prefill == p3);
    CHECK(router.place(f, {10, 20}).decode == d2);
    f[p3].pending_tokens = 5;
    f[d2].blocks_used = 10; // 20 %
    f[d8].blocks_used = 15; // 15 %, though more blocks
    CHECK(router.place(f, {10, 20}).prefill == p9);
    CHECK(router.place(f, {10, 20}).decode == d8);
}

TEST_CASE("without room on both sides of a pair there is no place") {
    fleet f(4);
    (void)add(f, 1, role::prefill, 4);
    const std::uint32_t d = add(f, 2, role::decode);
    CHECK(shortest_queue_least_kv{}.place(f, {64, 80}).decode == d);
    CHECK(shortest_queue_least_kv{}.place(f, {65, 80}).decode == no_slot);
}

TEST_CASE("a unified instance is chosen when it is alone or its queue is shorter than the pair's") {
    fleet f(4);
    const std::uint32_t u = add(f, 1, role::unified);
    const shortest_queue_least_kv router;
    CHECK(router.place(f, {10, 20}).decode == u);
    CHECK(router.place(f, {10, 20}).prefill == no_slot);
    const std::uint32_t p = add(f, 2, role::prefill), d = add(f, 3, role::decode);
    CHECK(router.place(f, {10, 20}).decode == d);
    f[p].pending_tokens = 1;
    CHECK(router.place(f, {10, 20}).decode == u);
}
