// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/copy_nt.hpp>

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;
using detail::copy::way;

TEST_CASE(
    "every way of copying copies every size and alignment exactly, touches nothing else and returns the checksum") {
    constexpr std::size_t room = 20000;
    constexpr std::byte canary{0xa5};
    std::vector<std::byte> from(room);
    for (std::size_t i = 0; i < room; ++i) from[i] = static_cast<std::byte>(mix(i));
    std::vector<std::byte> to(room + 256);

    for (way how : {way::plain, way::sse2, way::avx2, way::avx512, way::fold}) {
        if (how > detail::copy::best()) continue; // this processor lacks it
        for (std::size_t size : {0, 1, 63, 64, 1023, 1024, 1025, 1087, 6143, 6144, 6145, 6208, 12288, 12289, 19000}) {
            for (std::size_t to_offset : {0, 1, 31, 63}) {
                for (std::size_t from_offset : {0, 5, 64}) {
                    std::fill(to.begin(), to.end(), canary);
                    const std::byte* source = from.data() + from_offset;
                    std::byte* target = to.data() + 64 + to_offset;
                    const std::uint32_t sum = detail::copy::copy_by(how, target, source, size);
                    CAPTURE(size);
                    REQUIRE(std::equal(source, source + size, target));
                    REQUIRE(sum == crc32c({source, size}));
                    const auto untouched = [](std::byte b) { return b == canary; };
                    REQUIRE(std::all_of(to.data(), target, untouched));
                    REQUIRE(std::all_of(target + size, to.data() + to.size(), untouched));
                }
            }
        }
    }
}

TEST_CASE("the public call picks a way by itself") {
    std::vector<std::byte> from(100000, std::byte{7}), to(100000);
    CHECK(copy_nt_crc32c(to.data(), from.data(), from.size()) == crc32c(from));
    CHECK(from == to);
    from.assign(from.size(), std::byte{8});
    CHECK(copy_nt_crc32c_unfenced(to.data(), from.data(), from.size()) == crc32c(from));
    copy_nt_fence();
    CHECK(from == to);
}
