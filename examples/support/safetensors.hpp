// SPDX-License-Identifier: Apache-2.0
// Reads safetensors files without trusting them: u64 header length, a JSON header of tensors, then their bytes, end to
// end without holes (https://github.com/huggingface/safetensors). Every range is checked before it is used, and a
// refusal names the tensor. Nothing is copied.
//
//     auto file = support::safetensors::parse(bytes);
//     for (const auto& tensor : file->tensors()) … tensor.name, tensor.shape, tensor.data
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/kernel/weight.hpp>

#include <support/outcome.hpp>

namespace ashlar::support {

class safetensors {
public:
    struct tensor {
        std::string name, type;           // type as the file spells it: "BF16"
        std::vector<std::uint64_t> shape; // slowest first; may be empty, extents may be 0
        std::span<const std::byte> data;  // need not be aligned

        // A matrix, or one row of one dimension; errc::unsupported: another rank or type than F32, F16, BF16.
        outcome<kernel::weight_view> weights() const;
    };

    // `bytes` must outlive what points into them. corrupt: what contradicts itself; unsupported: an unknown type.
    static outcome<safetensors> parse(std::span<const std::byte> bytes);

    std::span<const tensor> tensors() const { return tensors_; } // in the order of their bytes

private:
    std::vector<tensor> tensors_;
};

} // namespace ashlar::support
