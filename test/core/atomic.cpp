// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/atomic.hpp>

#include <array>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;

TEST_CASE("a word holds what was stored, counts modulo its width, and cannot be copied") {
    atomic_u32 w(0xffff'ffff);
    CHECK(w.fetch_add_seq_cst(2) == 0xffff'ffff);
    CHECK(w.load_relaxed() == 1);
    w.store_relaxed(5);
    CHECK(w.load_acquire() == 5);
    w.store_release(6);
    CHECK(w.load_seq_cst() == 6);
    w.store_seq_cst(7);
    CHECK(*w.address() == 7);
    static_assert(!std::is_copy_constructible_v<atomic_u64> && !std::is_copy_assignable_v<atomic_u64>);
    static_assert(std::is_trivially_destructible_v<atomic_u64> && std::is_standard_layout_v<atomic_u64>);
    static_assert(alignof(atomic_u64) == 8);
}

TEST_CASE("zeroed bytes are a word that holds zero") {
    alignas(8) std::array<std::byte, 8> bytes{};
    auto& w = *reinterpret_cast<atomic_u64*>(bytes.data());
    CHECK(w.load_acquire() == 0);
    w.store_release(0x0102030405060708);
    std::uint64_t seen;
    std::memcpy(&seen, bytes.data(), 8);
    CHECK(seen == 0x0102030405060708);
}

TEST_CASE("a compare-exchange succeeds once, and tells the loser what is there") {
    atomic_u64 w;
    std::uint64_t expected = 0;
    CHECK(w.compare_exchange_acq_rel(expected, 42));
    expected = 0;
    CHECK_FALSE(w.compare_exchange_acq_rel(expected, 43));
    CHECK(expected == 42);
    CHECK(w.load_relaxed() == 42);
}

// ThreadSanitizer reports the plain accesses to `payload` unless release and acquire order them.
TEST_CASE("what was written before a release is there after the acquire") {
    constexpr std::uint32_t rounds = 20'000;
    atomic_u32 full;
    std::uint64_t payload = 0;
    std::uint64_t sum = 0;
    std::thread reader([&] {
        for (std::uint32_t i = 1; i <= rounds; ++i) {
            while (full.load_acquire() != 1) std::this_thread::yield();
            sum += payload;
            full.store_release(0);
        }
    });
    for (std::uint32_t i = 1; i <= rounds; ++i) {
        while (full.load_acquire() != 0) std::this_thread::yield();
        payload = i;
        full.store_release(1);
    }
    reader.join();
    CHECK(sum == std::uint64_t{rounds} * (rounds + 1) / 2);
}

TEST_CASE("no addition of four threads is lost, and each of their claims is won once") {
    constexpr std::size_t threads = 4, slots = 2'000;
    atomic_u64 total;
    std::vector<atomic_u32> owners(slots);
    std::array<std::size_t, threads> won{};
    std::vector<std::thread> all;
    for (std::size_t t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
            for (atomic_u32& owner : owners) {
                total.fetch_add_seq_cst(t + 1);
                std::uint32_t nobody = 0;
                won[t] += owner.compare_exchange_acq_rel(nobody, static_cast<std::uint32_t>(t + 1));
            }
        });
    }
    for (std::thread& t : all) t.join();
    CHECK(total.load_relaxed() == slots * (1 + 2 + 3 + 4));
    CHECK(won[0] + won[1] + won[2] + won[3] == slots);
    for (atomic_u32& owner : owners) CHECK_UNARY(owner.load_relaxed() >= 1 && owner.load_relaxed() <= threads);
}

// Dekker's pattern, which window::wait and ring_doorbell rely on: of two sides that each store their own word and then
// load the other's, at least one sees the other.
TEST_CASE("with sequential consistency two sides cannot both miss each other") {
    for (int round = 0; round < 2'000; ++round) {
        atomic_u32 mine, theirs, go;
        std::uint32_t i_saw = 0, they_saw = 0;
        std::thread other([&] {
            while (go.load_acquire() == 0) {
            }
            theirs.store_seq_cst(1);
            they_saw = mine.load_seq_cst();
        });
        go.store_release(1);
        mine.store_seq_cst(1);
        i_saw = theirs.load_seq_cst();
        other.join();
        REQUIRE_UNARY(i_saw + they_saw >= 1);
    }
}
