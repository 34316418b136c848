// SPDX-License-Identifier: Apache-2.0
// Which memory is registered with libfabric, and under which number the caller knows it.
//
//     regions known(64);   auto r = known.add(libfabric, info, ep, memory);   pinned* p = known.find(*r);
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/ofi/opened.hpp>

namespace ashlar::inline v0::ofi {

class regions {
public:
    static constexpr std::size_t most = 1 << 16; // their index is the low 16 bits of a handle

    explicit regions(std::size_t capacity) : all_(capacity) {}

    // exhausted: no place is left.
    result<fabric::region> add(opened& o, fi_info& info, handle<fid_ep>& ep, fabric::memory m) {
        for (std::size_t i = 0; i < all_.size(); ++i) {
            if (all_[i].at) continue;
            auto p = o.pin(info, ep, {m.data, m.size});
            if (!p) return p.error();
            const std::uint64_t base =
                info.domain_attr->mr_mode & FI_MR_VIRT_ADDR ? reinterpret_cast<std::uintptr_t>(m.data) : 0;
            all_[i] = std::move(*p);
            return fabric::region{
                m.data, m.size, {base, fi_mr_key(all_[i].at.get()), m.size}, all_[i].serial << 16 | i};
        }
        return {errc::exhausted, origin::ofi};
    }
    result<void> remove(const fabric::region& r) {
        pinned* p = find(r);
        if (!p) return {errc::not_found, origin::ofi};
        return *p = {}, result<void>{};
    }
    // Null: not registered (any more).
    pinned* find(const fabric::region& r) {
        const std::size_t i = r.handle & 0xffff;
        return i < all_.size() && all_[i].at && all_[i].serial == r.handle >> 16 ? &all_[i] : nullptr;
    }

private:
    fixed_array<pinned> all_;
};

} // namespace ashlar::inline v0::ofi
