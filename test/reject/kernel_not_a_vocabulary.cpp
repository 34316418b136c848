// SPDX-License-Identifier: Apache-2.0
// expect: Kernel is kernel::cpu
#include <ashlar/kv/layout.hpp>
#include <ashlar/model.hpp>
namespace al = ashlar;
namespace m = ashlar::model;
struct slow {};
void use(m::decoder<m::llama, slow, al::kv::block_first<al::f16, al::kv::tokens<16>>>&& d) { (void)d.facts(); }
