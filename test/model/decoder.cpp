// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>

#include <ashlar/model/decoder.hpp>

#include "tiny.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;
namespace kv = ashlar::kv;
namespace m = ashlar::model;

namespace {

constexpr m::limits most{.tokens = 80, .slices = 4, .context = 128};

// A decoder, a poisoned pool, and pages in an order of their own.
template <class Cache, class Kernel = k::cpu>
struct engine {
    using decoder = m::decoder<m::llama, Kernel, Cache>;
    tiny::weights weights;
    al::serial_workers one;
    decoder llm;
    Cache layout;
    std::vector<std::byte> pool;

    explicit engine(const m::llama_facts& f = tiny::facts)
        : weights(f), llm(make(f)), layout{.shape = {f.layers, f.kv_heads, f.head_dim, 40}},
          pool(layout.bytes(), std::byte{0xff}) {} // NaN in every format
    decoder make(const m::llama_facts& f) {
        m::tensor_name culprit;
        return decoder::make(f, most, weights, one, culprit).value();
    }
    al::result<void> forward(std::span<const m::slice> batch) {
        return llm.forward(batch, layout, pool.data(), one, [](al::layer_id) {});
    }
    std::vector<float> logits(std::size_t i) { return {llm.logits(i).begin(), llm.logits(i).end()}; }

    // A prompt in chunks; the logits of its last token.
    std::vector<float> run(const std::vector<al::token_id>& prompt, std::size_t chunk,
                           std::span<const al::block_run> runs) {
        for (std::size_t at = 0; at < prompt.size(); at += chunk) {
            const auto part = std::span(prompt).subspan(at, std::min(chunk, prompt.size() - at));
            const m::slice s[] = {{part, std::uint32_t(at), runs, at + part.size() == prompt.size()}};
            REQUIRE(forward(s));
        }
        return logits(0);
    }
};

constexpr al::block_run scattered[] = {{17, 1}, {3, 2}, {9, 1}, {30, 5}};
constexpr al::block_run elsewhere[] = {{0, 3}, {20, 6}};

template <class Cache>
void follows_reference(double bar, const m::llama_facts& f = tiny::facts) {
    engine<Cache> e(f);
    const auto prompt = tiny::prompt(37, 2);
    const auto got = e.run(prompt, 37, scattered);
    const auto expected = tiny::reference<typename Cache::value_type>(f, e.weights, prompt);
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += (got[i] - expected[i]) * (got[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    CHECK(std::sqrt(difference / size) < bar);
    for (const std::size_t chunk : {1, 7, 16, 64}) {
        CAPTURE(chunk);
        std::fill(e.pool.begin(), e.pool.end(), std::byte{0xff});
        CHECK(each::same_bits(e.run(prompt, chunk, elsewhere), got));
    }
}

} // namespace

// The float64 model rounds keys and values at the same places, but a value on the edge may fall to the other side.
TEST_CASE("logits follow a float64 model, and no chunk size or page changes a bit, in every layout") {
    follows_reference<kv::block_first<al::f32, kv::tokens<16>>>(1e-5);
    follows_reference<kv::block_first<al::f16, kv::tokens<16>>>(1e-3);
    follows_reference<kv::block_first<al::bf16, kv::tokens<16>>>(8e-3);
    follows_reference<kv::block_first<al::scaled16, kv::tokens<16>>>(1e-4);
    follows_reference<kv::layer_first<al::f32, kv::tokens<16>>>(1e-5);
    follows_reference<kv::layer_first<al::f16, kv::tokens<8>>>(1e-3);
    follows_reference<kv::layer_first<al::bf16, kv::tokens<16>>>(8e-3);
}

TEST_CASE("biases, normed heads, scaled rotation and half-split rows are options of the same decoder") {
    using cache = kv::block_first<al::f32, kv::tokens<16>>;
    const auto with = [](auto change) {
        auto f = tiny::facts;
        change(f);
        follows_reference<cache>(1e-5, f);
    };
    with([](auto& f) { f.qkv_bias = true; });
    with([](auto& f) { f.qk_norm = true; });
    with([](auto& f) { f.rope_factors = true; });
    with([](auto& f) { f.rope_halves = true; });
    with([](auto& f) { f.head_dim = 32; }); // not hidden / heads
    with(
        [](auto& f) { f.qkv_bias = f.qk_norm = f.rope_factors = f.rope_halves = f.tied_head = true, f.head_dim = 32; });
}

TEST_CASE("whatever shares the batch, a request's logits are the same bits") {
    using cache = kv::block_first<al::f16, kv::tokens<16>>;
    const auto a = tiny::prompt(20, 3), b = tiny::prompt(33, 4), c = tiny::prompt(5, 5);
    const al::block_run pages_a[] = {{0, 2}}, pages_b[] = {{5, 3}}, pages_c[] = {{2, 1}};
    engine<cache> alone;
    const auto want_a = alone.run(a, 20, pages_a), want_b = alone.run(b, 33, pages_b),
               want_c = alone.run(c, 5, pages_c);

    engine<cache> shared;
    const m::slice first[] = {
        {std::span(b).first(32), 0, pages_b, false}, {a, 0, pages_a, true}, {c, 0, pages_c, true}};
    REQUIRE(shared.forward(first));
    CHECK(each::same_bits(shared.logits(0), want_a)); // only those that asked are counted
    CHECK(each::same_bits(shared.logits(1), want_c));
    const al::token_id more[] = {9};
    const m::slice second[] = {
        {more, 5, pages_c, true}, {std::span(b).last(1), 32, pages_b, true}, {more, 20, pages_a, true}};
    REQUIRE(shared.forward(second));
    CHECK(each::same_bits(shared.logits(1), want_b));
    auto longer = a;
    longer.push_back(9);
    engine<cache> again;
    CHECK(each::same_bits(again.run(longer, 21, elsewhere), shared.logits(2)));
}

TEST_CASE_TEMPLATE("all processors compute the same logits", T, al::f16, al::scaled16) {
    using cache = kv::block_first<T, kv::tokens<16>>;
    const auto prompt = tiny::prompt(19, 6);
    engine<cache, k::portable> slow;
    const auto expected = slow.run(prompt, 19, scattered);
    each::kernel([&]<class K>() {
        engine<cache, K> e;
        CHECK(each::same_bits(e.run(prompt, 11, scattered), expected));
    });
}

TEST_CASE("the embedding serves as head when they are tied") {
    auto tied = tiny::facts;
    tied.tied_head = true;
    engine<kv::block_first<al::f32, kv::tokens<16>>> e(tied);
    const auto prompt = tiny::prompt(9, 7);
    const auto got = e.run(prompt, 9, scattered);
    const auto expected = tiny::reference<float>(tied, e.weights, prompt);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-3));
}

TEST_CASE("a layer is announced in order, with the whole batch's keys and values in its pages") {
    using cache = kv::layer_first<al::f32, kv::tokens<16>>;
    engine<cache> e;
    const auto prompt = tiny::prompt(18, 8);
    const m::slice s[] = {{prompt, 0, elsewhere, false}};
    std::uint32_t next = 0;
    REQUIRE(e.llm.forward(s, e.layout, e.pool.data(), e.one, [&](al::layer_id l) {
        CHECK(l.value == next++);
        for (std::uint32_t p = 0; p < 19; ++p) { // the 19th is nobody's: still poison
            for (const auto plane : {al::plane::key, al::plane::value}) {
                const float* x = e.layout.view(e.pool.data(), l).at(p / 16, plane, 1, p % 16);
                CHECK(std::isnan(x[15]) == (p == 18));
            }
        }
    }));
    CHECK(next == 3);
}

TEST_CASE("a batch ends at the layer after which nobody wants it, and the next one is as if it had not been") {
    using cache = kv::block_first<al::f16, kv::tokens<16>>;
    engine<cache> e, undisturbed;
    const auto tokens = tiny::prompt(18, 8);
    const m::slice s[] = {{tokens, 0, elsewhere, true}};
    std::uint32_t layers = 0;
    const auto ended = e.llm.forward(s, e.layout, e.pool.data(), e.one, [&](al::layer_id) { return ++layers < 2; });
    CHECK(layers == 2);
    REQUIRE(!ended);
    CHECK(ended.error().code == al::errc::cancelled);
    REQUIRE(e.llm.forward(s, e.layout, e.pool.data(), e.one, [](al::layer_id) { return true; }));
    REQUIRE(undisturbed.forward(s));
    const auto got = e.llm.logits(0), expected = undisturbed.llm.logits(0);
    CHECK(std::equal(got.begin(), got.end(), expected.begin(), expected.end()));
}

TEST_CASE("what a batch asks beyond limits, model or pages is refused, and nothing is written") {
    using cache = kv::block_first<al::f16, kv::tokens<16>>;
    engine<cache> e;
    const auto tokens = tiny::prompt(81, 9);
    const auto ten = std::span(tokens).first(10);
    const auto code = [&](std::vector<m::slice> batch) { return e.forward(batch).error().code; };
    const al::block_run one[] = {{0, 1}}, beyond[] = {{39, 2}}, wraps[] = {{0xffffffff, 2}};
    const al::token_id negative[] = {-1}, large[] = {130};
    CHECK(code({}) == al::errc::invalid_argument);
    CHECK(code({{{}, 0, one, true}}) == al::errc::invalid_argument);
    CHECK(code({{tokens, 0, elsewhere, true}}) == al::errc::exhausted);
    CHECK(code({{std::span(tokens).first(75), 0, elsewhere, true}, {ten, 0, one, true}}) == al::errc::exhausted);
    CHECK(code(std::vector<m::slice>(5, {ten, 0, one, true})) == al::errc::exhausted);
    CHECK(code({{ten, 7, one, true}}) == al::errc::out_of_range);         // 17 tokens in 16 places
    CHECK(code({{ten, 120, elsewhere, true}}) == al::errc::out_of_range); // beyond the context
    CHECK(code({{ten, 0xffffffff, elsewhere, true}}) == al::errc::out_of_range);
    CHECK(code({{ten, 0, beyond, true}}) == al::errc::out_of_range);
    CHECK(code({{ten, 0, wraps, true}}) == al::errc::out_of_range);
    CHECK(code({{negative, 0, one, true}}) == al::errc::out_of_range);
    CHECK(code({{large, 0, one, true}}) == al::errc::out_of_range);
    ++e.layout.shape.layers;
    CHECK(code({{ten, 0, one, true}}) == al::errc::invalid_argument);
    CHECK(std::all_of(e.pool.begin(), e.pool.end(), [](std::byte b) { return b == std::byte{0xff}; }));
}

TEST_CASE("limits that cannot be are refused before anything is allocated") {
    using decoder = m::decoder<m::llama, k::cpu, kv::block_first<al::f16, kv::tokens<16>>>;
    const tiny::weights w(tiny::facts);
    al::serial_workers one;
    m::tensor_name culprit;
    for (const m::limits bad : {m::limits{0, 1, 1}, m::limits{1, 0, 1}, m::limits{1, 1, 0}, m::limits{1, 1, 129}}) {
        const auto made = decoder::make(tiny::facts, bad, w, one, culprit);
        REQUIRE_FALSE(made);
        CHECK(made.error().code == al::errc::exhausted);
    }
}
