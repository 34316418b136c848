// SPDX-License-Identifier: Apache-2.0
// Feeds every file of the given folders to a fuzz target, plus nothing at all and each file cut short: what libFuzzer
// once found stays found in builds that have no libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
    std::size_t inputs = 0;
    LLVMFuzzerTestOneInput(nullptr, 0);
    for (int i = 1; i < count; ++i) {
        if (!std::filesystem::is_directory(arguments[i])) {
            std::fprintf(stderr, "no corpus in %s\n", arguments[i]);
            return 1;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
            if (!entry.is_regular_file()) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            const std::vector<char> read{std::istreambuf_iterator<char>(file), {}};
            for (std::size_t size : {read.size(), read.size() / 2, read.size() ? read.size() - 1 : 0}) {
                const std::vector<std::uint8_t> exact(read.begin(), read.begin() + static_cast<std::ptrdiff_t>(size));
                LLVMFuzzerTestOneInput(exact.data(), exact.size()); // its own allocation: reading past it is seen
            }
            ++inputs;
        }
    }
    std::printf("%zu inputs replayed\n", inputs);
    return inputs > 0 ? 0 : 1;
}
