// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/ticket.hpp>

#include <array>

using namespace ashlar;
using namespace ashlar::literals;

namespace {
constexpr key128 key{11, 12};
constexpr kv::ticket_expectation expected{
    .layout = {1, 2}, .page_bytes = 100, .layers = 3, .tokens_per_block = 16, .blocks = 7};
kv::ticket sample() {
    kv::ticket t{.instance = {1},
                 .epoch = {2},
                 .transfer = {3},
                 .slot = 4,
                 .layout = {1, 2},
                 .pool = {0, 5, 300 * 50},
                 .strides = {100, 300},
                 .tokens = 100,
                 .cached_tokens = 32,
                 .deadline = 1_s};
    REQUIRE(t.runs.push_back({40, 3, 7}));
    REQUIRE(t.runs.push_back({1, 2, 9}));
    return t;
}
errc why(const kv::ticket& t, const kv::ticket_expectation& e = expected) { return kv::verify(t, e).error().code; }
} // namespace

TEST_CASE("a ticket comes back as it went, in a few bytes a run") {
    std::array<std::byte, kv::ticket_bytes_max> buffer;
    random_stream random{.seed = 1};
    for (int round = 0; round < 200; ++round) {
        kv::ticket t = sample();
        t.runs.clear();
        for (auto n = random.below(50); n-- > 0;)
            REQUIRE(t.runs.push_back({static_cast<std::uint32_t>(random.next() >> 33),
                                      1 + static_cast<std::uint32_t>(random.below(1u << 20)),
                                      static_cast<std::uint32_t>(random.next())}));
        const auto bytes = kv::encode(t, key, buffer);
        REQUIRE(bytes);
        const auto back = kv::decode_ticket(*bytes, key);
        REQUIRE(back);
        REQUIRE(back->runs.size() == t.runs.size());
        for (std::size_t i = 0; i < t.runs.size(); ++i) CHECK(back->runs[i] == t.runs[i]);
        CHECK(back->transfer == t.transfer);
        CHECK(back->strides == t.strides);
        CHECK(back->deadline == t.deadline);
    }
    CHECK(kv::encode(sample(), key, buffer)->size() == kv::ticket_header_bytes + 1 + 6 + 16);
    CHECK(kv::encode(sample(), key, std::span(buffer).first(60)).error().code == errc::exhausted);
}

TEST_CASE("whatever bit is flipped, wherever it is cut: no ticket") {
    std::array<std::byte, kv::ticket_bytes_max> buffer;
    const auto bytes = kv::encode(sample(), key, buffer).value();
    for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
        buffer[i / 8] ^= std::byte(1 << i % 8);
        CHECK(kv::decode_ticket(bytes, key).error().code == (i < 32 ? errc::corrupt : errc::forged));
        buffer[i / 8] ^= std::byte(1 << i % 8);
    }
    for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_FALSE(kv::decode_ticket(bytes.first(n), key));
    CHECK(kv::decode_ticket(bytes, {11, 13}).error().code == errc::forged);
}

TEST_CASE("each reason to refuse a genuine ticket is its own error") {
    CHECK(kv::verify(sample(), expected));
    auto t = sample();
    t.layout.hi ^= 1;
    CHECK(why(t) == errc::invalid_argument);
    t = sample(), t.tokens = 200;
    CHECK(why(t) == errc::invalid_argument);
    t = sample(), t.cached_tokens = 33;
    CHECK(why(t) == errc::invalid_argument);
    t = sample(), t.runs.pop_back();
    CHECK(why(t) == errc::invalid_argument);
    t = sample(), t.runs[0].first = 48;
    CHECK(why(t) == errc::out_of_range);
    t = sample(), t.strides.block = ~std::uint64_t{0};
    CHECK(why(t) == errc::out_of_range);
    auto late = expected;
    late.held = 1_s;
    CHECK(why(sample(), late) == errc::expired);
}
