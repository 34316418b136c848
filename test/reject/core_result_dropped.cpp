// SPDX-License-Identifier: Apache-2.0
// expect: [-Werror=unused-result]
#pragma GCC diagnostic error "-Wunused-result"
#include <ashlar/core/result.hpp>

ashlar::result<int> post();

void polite() { (void)post(); }

#if !defined(ASHLAR_ACCEPT)
void careless() { post(); }
#endif
