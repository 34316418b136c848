// SPDX-License-Identifier: Apache-2.0
// Ownership of libfabric's objects: every one is a struct that begins with a `fid`, and fi_close ends it.
//
//     handle<fid_cq> cq;   fi_cq_open(domain.get(), &attributes, cq.put(), nullptr);
#pragma once

#include <utility>

#include <rdma/fabric.h>

namespace ashlar::inline v0::ofi {

template <class Object>
class handle {
public:
    handle() = default;
    handle(handle&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
    handle& operator=(handle other) noexcept { return std::swap(at_, other.at_), *this; }
    ~handle() {
        if (at_) fi_close(&at_->fid);
    }
    Object* get() const { return at_; }
    Object* operator->() const { return at_; }
    Object** put() { return &at_; }
    explicit operator bool() const { return at_ != nullptr; }

private:
    Object* at_ = nullptr;
};

} // namespace ashlar::inline v0::ofi
