// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <wire.hpp>

using namespace serve;
namespace al = ashlar;

namespace {

template <class Frames, class Frame>
std::vector<std::byte> body_of(const Frame& frame) {
    std::vector<std::byte> bytes;
    wire::append(bytes, Frames(frame));
    return {bytes.begin() + 4, bytes.end()};
}

wire::reserve some_reserve() {
    wire::reserve f;
    f.request = {77};
    f.attempt = 2;
    f.as = al::sched::role::prefill;
    f.capacity_tokens = 99;
    f.context = {1, -2, 49151};
    f.how = {.temperature = 0.5f,
             .top_p = 0.9f,
             .min_p = 0.05f,
             .top_k = 40,
             .seed = ~0ull,
             .prompt_tokens = 3,
             .min_tokens = 1,
             .max_tokens = 2,
             .repetition = 1.1f,
             .frequency = -0.5f,
             .presence = 0.25f,
             .logprobs = true,
             .top_logprobs = 5,
             .prompt_logprobs = true,
             .prompt_top_logprobs = 3,
             .stop_tokens = {0, 2},
             .late_tokens = {0, 2, 7},
             .biases = {{5, -100}, {6, 0.5f}},
             .grammar = "root ::= [^\\n]*"};
    f.peer = {9};
    f.ticket.assign(100, std::byte{0xab});
    return f;
}

} // namespace

TEST_CASE("a frame comes back as it was sent") {
    wire::to_engine got;
    REQUIRE(wire::decode(body_of<wire::to_engine>(some_reserve()), got));
    const auto& f = std::get<wire::reserve>(got);
    CHECK(f.request == al::request_id{77});
    CHECK(f.as == al::sched::role::prefill);
    CHECK(f.context == std::vector<al::token_id>{1, -2, 49151});
    CHECK(f.how.top_p == 0.9f);
    CHECK(f.how.grammar == some_reserve().how.grammar);
    CHECK(f.how.seed == ~0ull);
    CHECK(f.how.prompt_logprobs);
    CHECK(f.how.stop_tokens == std::vector<al::token_id>{0, 2});
    CHECK(f.how.late_tokens == std::vector<al::token_id>{0, 2, 7});
    CHECK(f.how.min_p == 0.05f);
    CHECK(f.how.repetition == 1.1f);
    CHECK(f.how.frequency == -0.5f);
    CHECK(f.how.presence == 0.25f);
    CHECK(f.how.prompt_top_logprobs == 3);
    REQUIRE(f.how.biases.size() == 2);
    CHECK(f.how.biases[0].token == 5);
    CHECK(f.how.biases[1].value == 0.5f);
    CHECK(f.ticket.size() == 100);

    wire::to_router back;
    wire::token t{.request = {5},
                  .attempt = 1,
                  .batch = {8},
                  .kind = al::sched::item_kind::prefill,
                  .stop = true,
                  .position = 4,
                  .chosen = {17, -0.25f},
                  .top = {{17, -0.25f}, {3, -std::numeric_limits<float>::infinity()}}};
    REQUIRE(wire::decode(body_of<wire::to_router>(t), back));
    CHECK(std::get<wire::token>(back).top[1].logprob == -std::numeric_limits<float>::infinity());
    CHECK(std::get<wire::token>(back).stop);
}

TEST_CASE("a frame cut short anywhere is refused, and so is one byte too many") {
    auto body = body_of<wire::to_engine>(some_reserve());
    wire::to_engine got;
    for (std::size_t size = 0; size < body.size(); ++size)
        CHECK_FALSE(wire::decode(std::span<const std::byte>(body).first(size), got));
    body.push_back(std::byte{0});
    CHECK_FALSE(wire::decode(body, got));
}

TEST_CASE("unknown kinds, roles, error codes and booleans are refused") {
    wire::to_engine got;
    CHECK_FALSE(wire::decode(std::vector<std::byte>{std::byte{200}}, got));
    auto body = body_of<wire::to_engine>(some_reserve());
    body[1 + 8 + 4] = std::byte{3}; // `as`
    CHECK_FALSE(wire::decode(body, got));
    wire::to_router back;
    auto failed = body_of<wire::to_router>(wire::reserve_failed{{1}, 1, {al::errc::exhausted, al::origin::kv, 0}});
    REQUIRE(wire::decode(failed, back));
    failed[1 + 8 + 4 + 1] = std::byte{0x7f}; // the code's high byte
    CHECK_FALSE(wire::decode(failed, back));
}

TEST_CASE("a count that lies about what follows takes no memory") {
    wire::batch f{.id = {1}, .items = {}};
    auto body = body_of<wire::to_engine>(f);
    std::memset(body.data() + body.size() - 4, 0xff, 4);
    wire::to_engine got;
    CHECK_FALSE(wire::decode(body, got));
}

TEST_CASE("a stream is cut into the same frames however it arrives") {
    std::vector<std::byte> stream;
    for (std::uint32_t i = 0; i < 50; ++i) {
        wire::reserve f = some_reserve();
        f.context.assign(i * 7, 5);
        wire::append(stream, wire::to_engine(f));
    }
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{4096}, stream.size()}) {
        wire::splitter in;
        std::uint32_t frames = 0;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            in.add(std::span<const std::byte>(stream).subspan(at, std::min(step, stream.size() - at)));
            for (std::span<const std::byte> body; in.next(body) == wire::splitter::outcome::frame; ++frames) {
                wire::to_engine got;
                REQUIRE(wire::decode(body, got));
                CHECK(std::get<wire::reserve>(got).context.size() == frames * 7);
            }
        }
        CHECK(frames == 50);
    }
}

TEST_CASE("a frame of no bytes or of too many breaks the stream") {
    for (const std::uint32_t size : {0u, static_cast<std::uint32_t>(wire::frame_bytes_max) + 1, ~0u}) {
        wire::splitter in;
        in.add(std::as_bytes(std::span(&size, 1)));
        std::span<const std::byte> body;
        CHECK(in.next(body) == wire::splitter::outcome::broken);
    }
}

TEST_CASE("a proof depends on the key, on who gives it and on both nonces") {
    const al::key128 key{1, 2};
    const al::digest128 a{3, 4}, b{5, 6};
    const auto proof = wire::prove(key, "engine", a, b);
    CHECK(proof == wire::prove(key, "engine", a, b));
    CHECK_FALSE(proof == wire::prove({1, 3}, "engine", a, b));
    CHECK_FALSE(proof == wire::prove(key, "router", a, b)); // an engine's answer cannot be reflected
    CHECK_FALSE(proof == wire::prove(key, "engine", b, a));
}

TEST_CASE("an attempt has a name of its own among its neighbours, however many there were") {
    const al::request_id request{6};
    for (std::uint32_t attempt = 1; attempt < 1000; ++attempt) {
        CHECK(wire::key_of(request, attempt) != wire::key_of(request, attempt + 1));
        CHECK((wire::key_of(request, attempt).value >> 8) == request.value); // nor is it of another request
    }
}
