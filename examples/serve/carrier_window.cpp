// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window.hpp>

#include "carrier_on.hpp"

namespace serve {

namespace {

class carrier_on_window final : public carrier_on<ashlar::fabric::window> {
public:
    carrier_on_window(ashlar::fabric::window net, std::size_t pool_bytes) : carrier_on(std::move(net), "window") {
        const auto memory = net_->allocate(pool_bytes);
        if (!memory)
            throw std::runtime_error("no shared memory for a KV pool of " + std::to_string(pool_bytes >> 20) +
                                     " MiB: " + words(memory.error()) + "; start with a smaller --pool-mib");
        pool_ = *memory;
    }
    void reopen() override { throw std::runtime_error("the window fabric loses no peer that lives"); }
};

} // namespace

std::unique_ptr<carrier> open_window(std::size_t pool_bytes) {
    auto net = ashlar::fabric::window::open({});
    if (!net) throw std::runtime_error("the window fabric cannot be opened: " + words(net.error()));
    return std::make_unique<carrier_on_window>(std::move(net).value(), pool_bytes);
}

#ifdef ASHLAR_SERVE_WITHOUT_OFI
std::unique_ptr<carrier> open_ofi(const std::string&, const std::string&, std::size_t) {
    throw std::runtime_error(
        "this ashlar-serve was built without libfabric: install libfabric-dev and build again, or say --fabric window");
}
#endif

} // namespace serve
