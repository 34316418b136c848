// SPDX-License-Identifier: Apache-2.0
// What libfabric has open beneath an endpoint: fabric, domain, address table and completion queue, opened in that order
// and closed in the other; the endpoint itself and memory, which close before them in an order of their own.
//
//     opened o;   o.open(info, 1024);   handle<fid_ep> ep;   o.open_endpoint(info, ep);   auto m = o.pin(info, ep,
//     ...);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include <ashlar/core/result.hpp>
#include <ashlar/ofi/handle.hpp>
#include <ashlar/ofi/provider.hpp>

namespace ashlar::inline v0::ofi {

// Registered memory.
struct pinned {
    handle<fid_mr> at;
    std::uint64_t serial = 0;
    void* descriptor() const { return fi_mr_desc(at.get()); }
};

struct opened {
    handle<fid_fabric> fabric;
    handle<fid_domain> domain;
    handle<fid_av> av;
    handle<fid_cq> cq;
    bool has_fd = false;       // the queue can be waited for
    std::uint64_t serials = 0; // of pinned memory

    result<void> open(fi_info& info, std::size_t completions) {
        if (int rc = fi_fabric(info.fabric_attr, fabric.put(), nullptr)) return provider_error(rc);
        if (int rc = fi_domain(fabric.get(), &info, domain.put(), nullptr)) return provider_error(rc);
        fi_av_attr of_av{};
        of_av.type = info.domain_attr->av_type == FI_AV_UNSPEC ? FI_AV_TABLE : info.domain_attr->av_type;
        if (int rc = fi_av_open(domain.get(), &of_av, av.put(), nullptr)) return provider_error(rc);
        fi_cq_attr of_cq{};
        of_cq.format = FI_CQ_FORMAT_DATA;
        of_cq.size = completions;
        of_cq.wait_obj = FI_WAIT_FD;
        has_fd = fi_cq_open(domain.get(), &of_cq, cq.put(), nullptr) == 0;
        if (has_fd) return {};
        of_cq.wait_obj = FI_WAIT_NONE;
        if (int rc = fi_cq_open(domain.get(), &of_cq, cq.put(), nullptr)) return provider_error(rc);
        return {};
    }
    result<void> open_endpoint(fi_info& info, handle<fid_ep>& ep) {
        if (int rc = fi_endpoint(domain.get(), &info, ep.put(), nullptr)) return provider_error(rc);
        if (int rc = fi_ep_bind(ep.get(), &av->fid, 0)) return provider_error(rc);
        if (int rc = fi_ep_bind(ep.get(), &cq->fid, FI_TRANSMIT | FI_RECV)) return provider_error(rc);
        if (int rc = fi_enable(ep.get())) return provider_error(rc);
        return {};
    }
    result<pinned> pin(fi_info& info, handle<fid_ep>& ep, std::span<std::byte> bytes) {
        pinned p;
        p.serial = ++serials; // also the key to ask for, where the provider lets one choose
        const std::uint64_t access = FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
        if (int rc = fi_mr_reg(domain.get(), bytes.data(), bytes.size(), access, 0, p.serial, 0, p.at.put(), nullptr))
            return provider_error(rc);
        if (info.domain_attr->mr_mode & FI_MR_ENDPOINT) {
            if (int rc = fi_mr_bind(p.at.get(), &ep->fid, 0)) return provider_error(rc);
            if (int rc = fi_mr_enable(p.at.get())) return provider_error(rc);
        }
        return p;
    }
};

} // namespace ashlar::inline v0::ofi
