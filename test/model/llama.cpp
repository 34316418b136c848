// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/model/llama.hpp>

#include "tiny.hpp"

namespace al = ashlar;
namespace m = ashlar::model;

TEST_CASE("facts are checked: the impossible, and what is possible but not here") {
    CHECK(m::check(tiny::facts));
    const auto code = [](auto change) {
        auto f = tiny::facts;
        change(f);
        return m::check(f).error().code;
    };
    CHECK(code([](auto& f) { f.layers = 0; }) == al::errc::invalid_argument);
    CHECK(code([](auto& f) { f.kv_heads = 3; }) == al::errc::invalid_argument);
    CHECK(code([](auto& f) { f.rope_base = std::nanf(""); }) == al::errc::invalid_argument);
    CHECK(code([](auto& f) { f.rms_epsilon = -1; }) == al::errc::invalid_argument);
    CHECK(code([](auto& f) { f.head_dim = 24; }) == al::errc::unsupported);
    CHECK(code([](auto& f) { f.head_dim = 512; }) == al::errc::unsupported);
    CHECK(code([](auto& f) { f.heads = 130, f.kv_heads = 2; }) == al::errc::unsupported);
    CHECK(code([](auto& f) { f.vocabulary = 0xffffffff; }) == al::errc::unsupported);
}
