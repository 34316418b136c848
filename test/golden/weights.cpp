// SPDX-License-Identifier: Apache-2.0
// golden.weights: every quantised format's blocks unpack to the very floats of the `gguf` package, straight from the
// file's bytes and out of packed panels. Needs no model.
#include <ashlar/kernel/panel.hpp>

#include <golden/golden.hpp>

using namespace ashlar;
using kernel::weight_format;

int main() {
    constexpr std::pair<const char*, weight_format> names[] = {
        {"Q4_0", weight_format::q4_0}, {"Q4_1", weight_format::q4_1}, {"Q5_0", weight_format::q5_0},
        {"Q5_1", weight_format::q5_1}, {"Q8_0", weight_format::q8_0}, {"Q4_K", weight_format::q4_k},
        {"Q5_K", weight_format::q5_k}, {"Q6_K", weight_format::q6_k}};
    golden::data in("weights.bin");
    const auto formats = in.one<std::uint32_t>();
    if (formats != std::size(names)) golden::stop("weights.bin has other formats than this test");
    std::size_t compared = 0, different = 0;
    for (const auto& [name, format] : names) {
        const auto letters = in.take<char>(in.one<std::uint32_t>());
        if (std::string(letters.begin(), letters.end()) != name) golden::stop("weights.bin has another order");
        const auto blocks = in.one<std::uint32_t>(), size = in.one<std::uint32_t>(), columns = in.one<std::uint32_t>();
        if (size != kernel::block_bytes(format) || columns != kernel::block_columns(format))
            golden::stop(std::string(name) + " has blocks of another size");
        const auto bytes = in.take<std::byte>(std::size_t{blocks} * size);
        const auto expected = in.take<float>(std::size_t{blocks} * columns);
        const kernel::weight_view view{format, bytes.data(), blocks, columns};
        struct alignas(64) line {
            std::byte bytes[64];
        };
        std::vector<line> packed(kernel::packed_bytes(format, blocks, columns) / sizeof(line) + 1);
        serial_workers one;
        kernel::pack(view, packed[0].bytes, one);
        std::vector<float> row(columns);
        for (std::uint32_t b = 0; b < blocks; ++b) {
            kernel::unpack_row({format, blocks, columns, packed[0].bytes}, b, row.data());
            for (std::uint32_t c = 0; c < columns; ++c, ++compared) {
                const float reference = expected[b * columns + c];
                different += kernel::element(view, b, c) != reference || row[c] != reference;
            }
        }
    }
    const bool pass = in.done() && compared > 0 && different == 0;
    std::printf("golden.weights formats=%zu values=%zu different=%zu gguf=%s %s\n", std::size(names), compared,
                different, golden::version_of("gguf").c_str(), pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
