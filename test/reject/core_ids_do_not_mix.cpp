// SPDX-License-Identifier: Apache-2.0
// expect: no match for 'operator=='
#include <ashlar/core/ids.hpp>

bool same_block(ashlar::block_id a, ashlar::block_id b) { return a == b; }

#if !defined(ASHLAR_ACCEPT)
bool block_is_layer(ashlar::block_id block, ashlar::layer_id layer) { return block == layer; }
#endif
