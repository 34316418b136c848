// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/model/llama_weights.hpp>

#include "tiny.hpp"

namespace al = ashlar;
namespace m = ashlar::model;

static al::errc refused(const tiny::weights& w, std::string_view expected) {
    al::serial_workers one;
    m::tensor_name culprit;
    const auto loaded = m::llama_weights::load(tiny::facts, w, one, culprit);
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

TEST_CASE("names are spelt as GGUF spells them, also beyond ten layers") {
    CHECK(m::tensor_name(120, "ffn_gate").view() == "blk.120.ffn_gate.weight");
    CHECK(m::tensor_name(0, "attn_q").view() == "blk.0.attn_q.weight");
    CHECK(m::tensor_name(4294967295u, "attn_output").view() == "blk.4294967295.attn_output.weight");
}
