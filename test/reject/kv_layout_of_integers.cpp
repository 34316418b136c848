// SPDX-License-Identifier: Apache-2.0
// expect: a KV layout stores f32, f16, bf16 or scaled16
#include <ashlar/kv/layout.hpp>

int main() {
    const ashlar::kv::block_first<int, ashlar::kv::tokens<16>> layout{{1, 1, 1, 1}};
    return static_cast<int>(layout.hash().lo);
}
