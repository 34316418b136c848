// SPDX-License-Identifier: Apache-2.0
// expect: to<To>: To is one of f32, f16, bf16
#include <ashlar/core/number.hpp>

ashlar::f16 half(float x) { return ashlar::to<ashlar::f16>(x); }

#if !defined(ASHLAR_ACCEPT)
int whole(float x) { return ashlar::to<int>(x); }
#endif
