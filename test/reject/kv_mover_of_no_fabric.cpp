// SPDX-License-Identifier: Apache-2.0
// expect: this type is no fabric
#include <ashlar/kv/transfer.hpp>

struct nothing {};
using mover = ashlar::kv::mover<nothing, ashlar::kv::block_first<ashlar::f16, ashlar::kv::tokens<16>>>;
int main() { return sizeof(mover); }
