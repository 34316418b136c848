// SPDX-License-Identifier: Apache-2.0
#include "index_collisions.hpp"

#include <ashlar/kv/chain_index.hpp>

using namespace ashlar;

TEST_CASE("another salt, another parent, another key") {
    const token_id block[] = {1, 2};
    CHECK_FALSE(kv::block_key({1, 1}, {}, block, 2) == kv::block_key({1, 2}, {}, block, 2));
    CHECK_FALSE(kv::block_key({1, 1}, {}, block, 2) == kv::block_key({1, 1}, {0, 1}, block, 2));
    CHECK(kv::block_key({1, 1}, {}, block, 2) == kv::block_key({1, 1}, {}, block, 2));
}

TEST_CASE("blocks whose keys share 32 bits are told apart by all 128: hash chain") {
    const key128 salt{3, 5};
    blocks_that_collide<kv::chain_index<kv::lru>>(
        salt, [&](const token_id* block) { return kv::block_key(salt, {}, block, 1).lo; });
}
