// SPDX-License-Identifier: Apache-2.0
// expect: result<T&>: return a pointer instead
#include <ashlar/core/result.hpp>

ashlar::result<int*> pointer(int& x) { return &x; }

#if !defined(ASHLAR_ACCEPT)
ashlar::result<int&> reference(int& x) { return x; }
#endif
