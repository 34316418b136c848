// SPDX-License-Identifier: Apache-2.0
// One engine of a transfer test, over any fabric: memory, a cache, a mover.
//
//     engine<fabric::loopback, layout> p(shape, memory, options, 11, hub);   // 11: its epoch; then what the net takes
#pragma once

#include <ashlar/kv/transfer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace ashlar::test {

inline constexpr key128 fleet{1, 2};

template <class Net, class Layout, class Index = kv::radix_index<kv::lru>>
struct engine {
    Layout layout;
    std::vector<std::byte> bytes = std::vector<std::byte>(layout.bytes());
    Net net;
    fabric::region region = net.register_memory({bytes.data(), bytes.size()}).value();
    kv::basic_cache<Index> pages;
    kv::mover<Net, Layout, Index> mover;
    fabric::peer_id other{};

    template <class... Args>
    engine(const kv::geometry& shape, const kv::cache_options& memory, const kv::mover_options& options,
           std::uint64_t epoch, Args&&... of_net)
        : layout{shape}, net(std::forward<Args>(of_net)...), pages(memory),
          mover(net, pages, layout, region, {{1}, {epoch}, fleet}, options) {}

    std::byte* page(request_id r, std::uint32_t block, std::uint32_t layer) {
        kv::run_cursor at(pages.runs(r), block);
        return bytes.data() + layout.page_offset({at.page()}, {layer});
    }
    // Ours and the other's pages of a request hold the same.
    template <class Other>
    bool same_pages(Other& there, request_id r, std::uint32_t blocks) {
        for (std::uint32_t l = 0; l < layout.shape.layers; ++l)
            for (std::uint32_t b = 0; b < blocks; ++b)
                if (std::memcmp(page(r, b, l), there.page(r, b, l), layout.page_bytes()) != 0) return false;
        return true;
    }
};

template <class A, class B>
void connect(A& a, B& b) {
    a.other = a.net.connect(b.net.address()).value();
    b.other = b.net.connect(a.net.address()).value();
}

} // namespace ashlar::test
