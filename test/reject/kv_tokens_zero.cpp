// SPDX-License-Identifier: Apache-2.0
// expect: a block holds at least one token
#include <ashlar/kv/layout.hpp>

int main() { return static_cast<int>(ashlar::kv::tokens<0>::value); }
