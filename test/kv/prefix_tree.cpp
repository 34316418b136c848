// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/prefix_tree.hpp>
#include <ashlar/kv/radix_index.hpp>

#include <array>

using namespace ashlar;

namespace {
struct spy : kv::lru { // what a policy that remembers is told of a block
    using kv::lru::lru;
    static constexpr bool remembers = true;
    static inline std::uint64_t identity = 0;
    static inline std::uint32_t depth = 0;
    void insert(std::uint32_t page, std::uint64_t of, std::uint32_t at) {
        identity = of, depth = at;
        kv::lru::insert(page, of, at);
    }
};
} // namespace

TEST_CASE_TEMPLATE("a block is known again by its whole prefix, whatever its page", Index, kv::chain_index<spy>,
                   kv::radix_index<spy>) {
    Index index({.pages = 4, .tokens_per_block = 1, .salt = {1, 2}});
    const auto put = [&](std::uint32_t parent, token_id t, std::uint32_t page) {
        REQUIRE(index.insert(parent, {&t, 1}, page) == page);
    };
    put(kv::no_page, 1, 0), put(kv::no_page, 2, 1), put(0, 7, 2);
    index.release(2);
    const std::uint64_t after_1 = spy::identity;
    CHECK(spy::depth == 1);
    put(1, 7, 3);
    index.release(3);
    CHECK(spy::identity != after_1); // the same tokens after another prefix
    REQUIRE(index.evict() == 2);
    REQUIRE(index.evict() == 3);
    put(0, 7, 3);
    index.release(3);
    CHECK(spy::identity == after_1);
    index.release(0);
    CHECK(spy::depth == 0);
}

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
