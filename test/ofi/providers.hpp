// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include <rdma/fabric.h>

namespace ashlar::test {

// ASHLAR_OFI_PROVIDERS, separated by commas; else what the libfabric at hand offers without special hardware.
inline std::vector<std::string> providers() {
    const char* set = std::getenv("ASHLAR_OFI_PROVIDERS");
    std::string list = set ? set : fi_version() >= FI_VERSION(1, 18) ? "tcp" : "net,tcp;ofi_rxm,shm";
    std::vector<std::string> names;
    for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(',', at), list.size());
        names.push_back(list.substr(at, end - at));
        at = end + 1;
    }
    return names;
}

} // namespace ashlar::test
