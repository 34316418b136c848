// SPDX-License-Identifier: Apache-2.0
#include <requested.hpp>

#include <ashlar/core.hpp>

#include <cstdio>

static_assert(ASHLAR_VERSION >= 100, "0.1.0 or later");

int main() {
    ashlar::ring<ashlar::block_id> queue(2);
    const bool kept = queue.push({7}) && queue.push({8}) && !queue.push({9}) && queue.pop().value == 7;
    std::printf("ashlar %d: %s\n", ASHLAR_VERSION, kept ? "well" : "broken");
#ifdef FI_MAJOR_VERSION // a component has brought libfabric's headers; its library must be there too
    std::printf("libfabric %u.%u\n", FI_MAJOR(fi_version()), FI_MINOR(fi_version()));
#endif
    return kept ? 0 : 1;
}
