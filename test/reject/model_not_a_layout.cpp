// SPDX-License-Identifier: Apache-2.0
// expect: Cache is a layout, such as kv::block_first<f16, kv::tokens<16>>
#include <ashlar/kv/layout.hpp>
#include <ashlar/model.hpp>
namespace al = ashlar;
namespace m = ashlar::model;
void use(m::decoder<m::llama, al::kernel::cpu, al::f16>&& d) { (void)d.facts(); }
