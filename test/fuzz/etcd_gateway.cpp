// SPDX-License-Identifier: Apache-2.0
// Answers of etcd's gateway: whatever comes, there is a value within its limits or a fault with a sentence.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <support/directory/etcd_gateway.cpp>

using namespace ashlar::support;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string prefix = "/ashlar/x/";
    const auto check = [&](const auto& read) {
        if (!read && read.fault().sentence.empty()) std::abort();
        return static_cast<bool>(read);
    };
    const auto sound = [](const directory_entry& e) {
        if (e.name.empty() || e.name.size() > 256 || e.address.empty() || e.address.size() > 256) std::abort();
    };
    check(etcd_gateway::read_lease(text));
    check(etcd_gateway::read_claim(text, 5));
    if (const auto read = etcd_gateway::read_list(text, prefix); check(read)) {
        for (const auto& each : read->entries) sound(each);
    }
    if (const auto read = etcd_gateway::read_watch(text, prefix); check(read)) {
        for (const auto& each : read->events) {
            if (!each.deleted) sound(each.entry);
        }
    }
    if (const auto bytes = etcd_gateway::from_base64(text)) {
        const auto again = etcd_gateway::from_base64(etcd_gateway::to_base64(*bytes));
        if (!again || *again != *bytes) std::abort();
    }
    return 0;
}
