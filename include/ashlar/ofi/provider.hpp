// SPDX-License-Identifier: Apache-2.0
// Which libfabric provider carries the bytes. A name that is given is taken or refused; without one the best that this
// machine has is picked, in a stated order that never contains `sockets` or `udp;ofi_rxd`. Asks for the narrowest thing
// that verbs, EFA and TCP all offer: reliable datagrams, messages, RMA, four bytes of remote CQ data, no write order.
//
//     auto info = ofi::pick_provider({.provider = "net"});     // result<info_handle>
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>

#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::ofi {

inline constexpr std::uint32_t api_version = FI_VERSION(1, 17);

struct options {
    const char* provider = nullptr; // as fi_info names it ("net", "tcp;ofi_rxm", "shm", "verbs;ofi_rxm"); null: pick
    const char* node = nullptr; // local address or host name to bind; null: 127.0.0.1 on TCP, the device's elsewhere
    std::uint32_t operations = 256; // posted and not yet polled
    std::uint32_t peers = 16;
    std::uint32_t regions = 64;
    std::uint32_t receive_buffers = 64; // messages that may arrive between two polls
    duration stall_max{10'000'000'000}; // a peer that takes nothing and finishes nothing for so long is down
};

// Owns what fi_getinfo gave. Move-only.
class info_handle {
public:
    info_handle() = default;
    explicit info_handle(fi_info* at) : at_(at) {}
    info_handle(info_handle&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
    info_handle& operator=(info_handle other) noexcept { return std::swap(at_, other.at_), *this; }
    ~info_handle() {
        if (at_) fi_freeinfo(at_);
    }
    fi_info* get() const { return at_; }
    fi_info* operator->() const { return at_; }

private:
    fi_info* at_ = nullptr;
};

// The provider's number (positive) as an error of ours. What a connection says when its other end is gone: peer_down.
inline error provider_error(std::int64_t number) {
    const auto n = static_cast<std::int32_t>(number < 0 ? -number : number);
    switch (n) {
    case FI_EAGAIN:
        return {errc::again, origin::ofi, n};
    case FI_ECONNREFUSED:
    case FI_ECONNRESET:
    case FI_ECONNABORTED:
    case FI_ENOTCONN:
    case FI_ESHUTDOWN:
    case FI_EHOSTUNREACH:
    case FI_EHOSTDOWN:
    case FI_ENETUNREACH:
    case EPIPE:
        return {errc::peer_down, origin::ofi, n};
    case FI_ETIMEDOUT:
        return {errc::timed_out, origin::ofi, n};
    case FI_ENODATA:
        return {errc::unsupported, origin::ofi, n}; // fi_getinfo: nothing fits
    case FI_ENOMEM:
        return {errc::exhausted, origin::ofi, n};
    case FI_ECANCELED:
        return {errc::cancelled, origin::ofi, n};
    case FI_ENOKEY:
        return {errc::not_found, origin::ofi, n};
    default:
        return {errc::io, origin::ofi, n};
    }
}

// Whether a provider's addresses are those of the operating system's sockets.
inline bool speaks_sockets(std::string_view provider) {
    return provider.starts_with("net") || provider.starts_with("tcp") || provider.starts_with("sockets") ||
           provider.starts_with("udp");
}

// What the library asks of a provider. libfabric takes a name for a hint ("tcp" may give "tcp;ofi_rxm", "" anything).
inline result<info_handle> ask_provider(const char* name, const char* node) {
    info_handle hints(fi_allocinfo());
    if (!hints.get()) return {errc::exhausted, origin::ofi};
    hints->fabric_attr->prov_name = ::strdup(name); // freed with the hints
    hints->caps = FI_MSG | FI_RMA;
    hints->mode = FI_CONTEXT | FI_CONTEXT2; // every posted thing has room for both
    hints->ep_attr->type = FI_EP_RDM;
    hints->tx_attr->msg_order = FI_ORDER_SAS;
    hints->rx_attr->msg_order = FI_ORDER_SAS;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
    hints->domain_attr->threading = FI_THREAD_DOMAIN;
    hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
    hints->domain_attr->cq_data_size = 4;
    if (!node && speaks_sockets(name)) node = "127.0.0.1";
    fi_info* found = nullptr;
    const int rc = fi_getinfo(api_version, node, node ? "0" : nullptr, node ? FI_SOURCE : 0, hints.get(), &found);
    if (rc) return provider_error(rc);
    const info_handle all(found);
    for (; found; found = found->next) {
        if (std::string_view(found->fabric_attr->prov_name) != name) continue;
        info_handle own(fi_dupinfo(found));
        return own.get() ? result<info_handle>(std::move(own)) : error{errc::exhausted, origin::ofi};
    }
    return {errc::unsupported, origin::ofi, FI_ENODATA};
}

inline result<info_handle> pick_provider(const options& o) {
    if (o.provider) return ask_provider(o.provider, o.node);
    constexpr const char* order[] = {"efa", "cxi", "verbs;ofi_rxm", "tcp", "net", "tcp;ofi_rxm"};
    result<info_handle> found{errc::unsupported, origin::ofi, FI_ENODATA};
    for (const char* name : order) {
        const bool native_tcp = FI_VERSION_GE(fi_version(), FI_VERSION(1, 18)); // before that `tcp` has no datagrams
        if (std::string_view(name) == "tcp" && !native_tcp) continue;
        if (found = ask_provider(name, o.node); found) break;
    }
    return found;
}

// An error in words, in a buffer of its own: "net: peer is down (Connection refused)".
struct description {
    std::array<char, 160> text{};
    std::size_t size = 0;
    std::string_view view() const { return {text.data(), size}; }
    void add(std::string_view more) {
        const std::size_t n = more.size() < text.size() - size ? more.size() : text.size() - size;
        if (n) std::memcpy(text.data() + size, more.data(), n);
        size += n;
    }
};
inline description describe(error e, std::string_view provider) {
    description d;
    d.add(provider);
    d.add(": ");
    if (e.from == origin::ofi && e.code == errc::unsupported && e.os_code == FI_EADDRNOTAVAIL) {
        d.add("the peer uses another provider; both ends need the same one");
        return d;
    }
    d.add(to_string(e.code));
    if (e.os_code == 0) return d;
    d.add(" (");
    d.add(e.from == origin::ofi ? fi_strerror(e.os_code) : std::strerror(e.os_code));
    d.add(")");
    return d;
}

} // namespace ashlar::inline v0::ofi
