// SPDX-License-Identifier: Apache-2.0
// expect: Architecture is model::llama
#include <ashlar/kv/layout.hpp>
#include <ashlar/model.hpp>
namespace al = ashlar;
namespace m = ashlar::model;
struct gpt {};
m::decoder<gpt, al::kernel::cpu, al::kv::block_first<al::f16, al::kv::tokens<16>>> d;
