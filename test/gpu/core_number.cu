// SPDX-License-Identifier: Apache-2.0
// The device says of every half and every bfloat16 what the host says, and a block adds them up with CUB. Compiling
// this file is a test on any machine; test/gpu/run also runs it where there is a GPU.
#include <ashlar/core/number.hpp>
#include <ashlar/core/result.hpp>

#include <cub/block/block_reduce.cuh>

#include <cstdint>
#include <cstdio>
#include <vector>

namespace {
constexpr int threads = 256;

// One thread a 16-bit pattern: out[i] = what f16 pattern i means; back[i] = that number stored as f16 and as bf16.
__global__ void convert(float* out, std::uint32_t* back) {
    const std::uint32_t i = blockIdx.x * threads + threadIdx.x;
    const float number = ashlar::to_float(ashlar::f16{static_cast<std::uint16_t>(i)});
    out[i] = number;
    back[i] = ashlar::to<ashlar::f16>(number).bits | static_cast<std::uint32_t>(ashlar::to<ashlar::bf16>(number).bits)
                                                         << 16;
}

// One block: how many of the 65,536 patterns are subnormal.
__global__ void count_subnormal(int* total) {
    using reduce = cub::BlockReduce<int, threads>;
    __shared__ typename reduce::TempStorage storage;
    int mine = 0;
    for (std::uint32_t i = threadIdx.x; i < 65536; i += threads) {
        const float number = ashlar::to_float(ashlar::f16{static_cast<std::uint16_t>(i)});
        mine += number != 0 && number < 0x1p-14f && number > -0x1p-14f;
    }
    const int sum = reduce(storage).Sum(mine);
    if (threadIdx.x == 0) *total = sum;
}

ashlar::result<int> differences() {
    float* out = nullptr;
    std::uint32_t* back = nullptr;
    int* total = nullptr;
    std::vector<float> numbers(65536);
    std::vector<std::uint32_t> stored(65536);
    int subnormal = 0;
    const auto fine = [](cudaError_t status) { return status == cudaSuccess; };
    const bool ran = fine(cudaMalloc(&out, 65536 * sizeof *out)) && fine(cudaMalloc(&back, 65536 * sizeof *back)) &&
                     fine(cudaMalloc(&total, sizeof *total)) &&
                     (convert<<<65536 / threads, threads>>>(out, back), count_subnormal<<<1, threads>>>(total),
                      fine(cudaGetLastError())) &&
                     fine(cudaMemcpy(numbers.data(), out, 65536 * sizeof *out, cudaMemcpyDeviceToHost)) &&
                     fine(cudaMemcpy(stored.data(), back, 65536 * sizeof *back, cudaMemcpyDeviceToHost)) &&
                     fine(cudaMemcpy(&subnormal, total, sizeof subnormal, cudaMemcpyDeviceToHost));
    if (!ran) return {ashlar::errc::io, ashlar::origin::app, static_cast<std::int32_t>(cudaPeekAtLastError())};
    cudaFree(out), cudaFree(back), cudaFree(total);

    int wrong = subnormal != 2 * 1023;
    for (std::uint32_t i = 0; i < 65536; ++i) {
        const float number = ashlar::to_float(ashlar::f16{static_cast<std::uint16_t>(i)});
        const std::uint32_t both = ashlar::to<ashlar::f16>(number).bits |
                                   static_cast<std::uint32_t>(ashlar::to<ashlar::bf16>(number).bits) << 16;
        wrong += std::bit_cast<std::uint32_t>(number) != std::bit_cast<std::uint32_t>(numbers[i]) || both != stored[i];
    }
    return wrong;
}
} // namespace

int main() {
    const ashlar::result<int> wrong = differences();
    if (!wrong) {
        std::printf("cannot run: %s\n", cudaGetErrorString(static_cast<cudaError_t>(wrong.error().os_code)));
        return 2;
    }
    std::printf("core_number: %d of 65,536 patterns differ between device and host\n", wrong.value());
    return wrong.value() == 0 ? 0 : 1;
}
