// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/model/llama_weights.hpp>

#include "tiny.hpp"

namespace al = ashlar;
namespace m = ashlar::model;

static al::errc refused(const tiny::weights& w, std::string_view expected, const m::llama_facts& f = tiny::facts) {
    al::serial_workers one;
    m::tensor_name culprit;
    const auto loaded = m::llama_weights::load(f, w, one, culprit);
    REQUIRE_FALSE(loaded);
    CHECK(culprit.view() == expected);
    return loaded.error().code;
}

TEST_CASE("a missing tensor, one of another shape, of no memory or of an unknown format is refused by its name") {
    tiny::weights w(tiny::facts);
    const auto spoil = [&](const char* name, auto change) {
        tiny::weights bad(tiny::facts);
        change(bad.all.find(name)->second.view);
        return refused(bad, name);
    };
    CHECK(spoil("blk.2.ffn_up.weight", [](auto& v) { --v.rows; }) == al::errc::invalid_argument);
    CHECK(spoil("blk.0.attn_norm.weight", [](auto& v) { ++v.columns; }) == al::errc::invalid_argument);
    CHECK(spoil("output.weight", [](auto& v) { v.data = nullptr; }) == al::errc::invalid_argument);
    CHECK(spoil("token_embd.weight", [](auto& v) { v.format = al::kernel::weight_format(77); }) ==
          al::errc::unsupported);
    w.all.erase("blk.1.attn_k.weight");
    CHECK(refused(w, "blk.1.attn_k.weight") == al::errc::not_found);
}

TEST_CASE("what an option of the facts asks for is missed by its name, and a rotary factor of nothing is refused") {
    const auto missing = [](auto change, const char* name) {
        auto f = tiny::facts;
        change(f);
        tiny::weights w(f);
        w.all.erase(name);
        CHECK(refused(w, name, f) == al::errc::not_found);
    };
    missing([](auto& f) { f.qkv_bias = true; }, "blk.1.attn_k.bias");
    missing([](auto& f) { f.qk_norm = true; }, "blk.2.attn_q_norm.weight");
    missing([](auto& f) { f.rope_factors = true; }, "rope_freqs.weight");
    auto scaled = tiny::facts;
    scaled.rope_factors = true;
    for (const float bad : {0.0f, -1.0f, std::nanf("")}) {
        tiny::weights w(scaled);
        std::memcpy(w.all.find("rope_freqs.weight")->second.bytes.data() + 12, &bad, sizeof bad);
        CHECK(refused(w, "rope_freqs.weight", scaled) == al::errc::invalid_argument);
    }
}

TEST_CASE("names are spelt as GGUF spells them, also beyond ten layers") {
    CHECK(m::tensor_name(120, "ffn_gate").view() == "blk.120.ffn_gate.weight");
    CHECK(m::tensor_name(3, "attn_q", ".bias").view() == "blk.3.attn_q.bias");
    CHECK(m::tensor_name(0, "attn_q").view() == "blk.0.attn_q.weight");
    CHECK(m::tensor_name(4294967295u, "attn_output").view() == "blk.4294967295.attn_output.weight");
}
