// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include <ashlar/ofi.hpp>

#include "carrier_on.hpp"

namespace serve {

namespace {

// Anonymous memory, resident only where KV was written.
class mapping {
public:
    explicit mapping(std::size_t size)
        : size_(size),
          data_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        if (data_ == MAP_FAILED)
            throw std::runtime_error("no memory for a KV pool of " + std::to_string(size >> 20) +
                                     " MiB; start with a smaller --pool-mib");
    }
    mapping(const mapping&) = delete;
    mapping& operator=(const mapping&) = delete;
    ~mapping() { ::munmap(data_, size_); }
    std::span<std::byte> bytes() const { return {static_cast<std::byte*>(data_), size_}; }

private:
    std::size_t size_;
    void* data_;
};

struct holds_mapping { // a base, so that the memory outlives the endpoint that has it registered
    mapping memory;
};

ashlar::ofi::endpoint opened(const std::string& provider, const std::string& host) {
    auto net = ashlar::ofi::endpoint::open(
        {.provider = provider.empty() ? nullptr : provider.c_str(), .node = host.empty() ? nullptr : host.c_str()});
    if (net) return std::move(net).value();
    const auto why = ashlar::ofi::describe(net.error(), provider.empty() ? "any" : std::string_view(provider));
    throw std::runtime_error("libfabric cannot be opened: " + std::string(why.view()) +
                             "; `fi_info` lists this machine's providers, --fabric window needs none");
}

class carrier_on_ofi final : private holds_mapping, public carrier_on<ashlar::ofi::endpoint> {
public:
    carrier_on_ofi(const std::string& provider, const std::string& host, std::size_t pool_bytes)
        : holds_mapping{mapping(pool_bytes)}, carrier_on(opened(provider, host), {}), host_(host) {
        name_ = "ofi:" + std::string(net_->provider());
        pool_ = memory.bytes();
    }
    void reopen() override {
        const std::string provider(net_->provider());
        if (provider.find("shm") != std::string::npos) // its peers write without asking the endpoint
            throw std::runtime_error("a peer is lost that lives, and over shm only a new process keeps it out");
        close();
        net_.emplace(opened(provider, host_));
    }

private:
    const std::string host_;
};

} // namespace

std::unique_ptr<carrier> open_ofi(const std::string& provider, const std::string& host, std::size_t pool_bytes) {
    return std::make_unique<carrier_on_ofi>(provider, host, pool_bytes);
}

} // namespace serve
