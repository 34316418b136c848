// SPDX-License-Identifier: Apache-2.0
// What two processes must have in common to serve one model: everything in its files but the weights' bytes.
#pragma once

#include <cstddef>
#include <span>

#include <ashlar/core/siphash.hpp>

namespace ashlar::support {

inline digest128 model_digest(std::span<const std::byte> bytes) {
    return siphash128({0x65762f7261686c73u, 0x746e697270726567u}, bytes); // a fixed public key: no secret
}

} // namespace ashlar::support
