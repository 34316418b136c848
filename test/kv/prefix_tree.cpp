// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/prefix_tree.hpp>
#include <ashlar/kv/radix_index.hpp>

#include <array>

using namespace ashlar;

TEST_CASE_TEMPLATE("what is held or continued is never evicted, and goes leaf by leaf when it is not", Index,
                   kv::chain_index<kv::lru>, kv::radix_index<kv::lru>) {
    Index index({.pages = 3, .tokens_per_block = 2, .salt = {1, 2}});
    const std::array<token_id, 7> prompt = {1, 2, 3, 4, 5, 6, 7};
    for (std::uint32_t i = 0; i < 3; ++i) {
        REQUIRE(index.insert(i ? i - 1 : kv::no_page, std::span(prompt).subspan(2 * i, 2), i) == i);
    }
    CHECK(index.evict() == kv::no_page); // all are held
    index.release(0), index.release(1);
    CHECK(index.evict() == kv::no_page); // a prefix of what is held
    index.release(2);
    CHECK(index.evict() == 2);
    index.hold(1);
    CHECK(index.evict() == kv::no_page);
    index.release(1);
    CHECK(index.evict() == 1);
    CHECK(index.evict() == 0);
    CHECK(index.evict() == kv::no_page);
    CHECK(index.size() == 0);
}

TEST_CASE_TEMPLATE("a pool of one block serves one block", Index, kv::chain_index<kv::lru>, kv::radix_index<kv::lru>) {
    Index index({.pages = 1, .tokens_per_block = 1, .salt = {1, 2}});
    std::array<std::uint32_t, 4> found;
    for (token_id t = 0; t < 9; ++t) {
        const std::array<token_id, 2> prompt = {t, t};
        CHECK(index.match(prompt, found) == 0);
        REQUIRE(index.insert(kv::no_page, std::span(prompt).first(1), 0) == 0);
        CHECK(index.match(prompt, found) == 1);
        CHECK(index.match(std::span(prompt).first(1), found) == 0); // a full hit leaves a token to compute
        CHECK(index.match({}, found) == 0);
        CHECK(index.evict() == kv::no_page);
        index.release(0);
        CHECK(index.evict() == 0);
    }
}

TEST_CASE_TEMPLATE("an equal block stands for a second one", Index, kv::chain_index<kv::lru>,
                   kv::radix_index<kv::lru>) {
    Index index({.pages = 4, .tokens_per_block = 1, .salt = {1, 2}});
    const std::array<token_id, 2> blocks = {7, 8};
    REQUIRE(index.insert(kv::no_page, std::span(blocks).first(1), 0) == 0);
    REQUIRE(index.insert(kv::no_page, std::span(blocks).last(1), 1) == 1);
    CHECK(index.insert(kv::no_page, std::span(blocks).first(1), 2) == 0);
    CHECK(index.insert(kv::no_page, std::span(blocks).last(1), 2) == 1);
    CHECK_FALSE(index.contains(2));
    CHECK(index.insert(0, std::span(blocks).first(1), 2) == 2); // the same tokens after another prefix
    CHECK(index.size() == 3);
}
