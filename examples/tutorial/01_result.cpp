// SPDX-License-Identifier: Apache-2.0
// Tutorial 1: errors are values. A length-prefixed record is read from bytes that somebody else has written.
#include <array>
#include <cstdio>

#include <ashlar/core.hpp>

namespace al = ashlar;

//! [function]
// A record is a 32-bit length, then so many bytes. Whoever wrote it may have lied.
al::result<std::span<const std::byte>> read_record(al::byte_reader& in) {
    const auto size = in.get<std::uint32_t>();
    const auto body = in.take(size); // never past the end
    if (!in.ok()) return {al::errc::corrupt, al::origin::app};
    return body;
}
//! [function]

int main() {
    std::array<std::byte, 64> buffer{};
    al::byte_writer out(buffer);
    out.put(std::uint32_t{4});
    out.put(std::uint32_t{0xfeed});

    //! [call]
    al::byte_reader in(out.written());
    if (auto record = read_record(in); !record) {
        std::printf("no record: %s\n", al::to_string(record.error().code).data());
    } else {
        std::printf("a record of %zu bytes\n", record->size());
    }
    //! [call]

    al::byte_reader cut(out.written().first(6));
    const auto short_one = read_record(cut);
    std::printf("the same, cut short: %s\n", short_one ? "fine" : al::to_string(short_one.error().code).data());
    return short_one ? 1 : 0;
}
