// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <rdma/fabric.h>

#include <ashlar/ofi/opened.hpp>

namespace ashlar::test {

// ASHLAR_OFI_PROVIDERS, separated by commas; else what the libfabric at hand offers without special hardware. That this
// is the libfabric which was meant says ASHLAR_EXPECT_LIBFABRIC.
inline std::vector<std::string> providers() {
    const char* expected = std::getenv("ASHLAR_EXPECT_LIBFABRIC");
    if (expected) REQUIRE(std::string(fi_tostr("", FI_TYPE_VERSION)) == expected);
    const char* set = std::getenv("ASHLAR_OFI_PROVIDERS");
    std::string list = set ? set : fi_version() >= FI_VERSION(1, 18) ? "tcp,tcp;ofi_rxm" : "net,tcp;ofi_rxm,shm";
    std::vector<std::string> names;
    for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(',', at), list.size());
        names.push_back(list.substr(at, end - at));
        at = end + 1;
    }
    return names;
}

// What is open beneath an endpoint of this provider, and the endpoint.
struct beneath {
    ofi::info_handle info;
    ofi::opened libfabric{};
    ofi::handle<fid_ep> ep{};

    explicit beneath(const std::string& provider) {
        auto found = ofi::pick_provider({.provider = provider.c_str()});
        REQUIRE(found);
        info = std::move(*found);
        REQUIRE(libfabric.open(*info.get(), 64));
        REQUIRE(libfabric.open_endpoint(*info.get(), ep));
    }
};

} // namespace ashlar::test
