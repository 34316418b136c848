// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/address.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;
using ofi::address_blob;

namespace {
std::vector<std::byte> name_of(std::size_t size) {
    std::vector<std::byte> name(size);
    for (std::size_t i = 0; i < size; ++i) name[i] = static_cast<std::byte>(i * 7 + 1);
    return name;
}
std::vector<std::byte> copy_of(const address_blob& a) { return {a.bytes().begin(), a.bytes().end()}; }
} // namespace

TEST_CASE("an address carries incarnation, provider and name there and back") {
    const auto name = name_of(28);
    const auto made = address_blob::make(0x1122334455667788, "tcp;ofi_rxm", name);
    REQUIRE(made);
    const auto wire = copy_of(*made);
    CHECK(wire.size() == 16 + 11 + 28);
    const auto got = address_blob::parse(wire);
    REQUIRE(got);
    CHECK(got->incarnation() == 0x1122334455667788);
    CHECK(got->provider() == "tcp;ofi_rxm");
    CHECK(std::equal(name.begin(), name.end(), got->name()));
}

TEST_CASE("an address that is cut off, or goes on, or begins otherwise is refused") {
    const auto wire = copy_of(*address_blob::make(1, "net", name_of(16)));
    for (std::size_t n = 0; n < wire.size(); ++n) {
        CAPTURE(n);
        CHECK(address_blob::parse({wire.data(), n}).error() == error{errc::invalid_argument, origin::ofi});
    }
    auto longer = wire;
    longer.push_back(std::byte{0});
    CHECK(!address_blob::parse(longer));
    auto other = wire;
    other[0] ^= std::byte{1};
    CHECK(!address_blob::parse(other));
}

TEST_CASE("no incarnation, no name, or more than there is room for make no address") {
    CHECK(address_blob::make(0, "net", name_of(16)).error().code == errc::invalid_argument);
    CHECK(address_blob::make(1, "net", {}).error().code == errc::invalid_argument);
    CHECK(address_blob::make(1, "net", name_of(address_blob::room - 16 - 3)));
    CHECK(address_blob::make(1, "net", name_of(address_blob::room - 16 - 2)).error().code == errc::out_of_range);
    CHECK(address_blob::make(1, std::string(600, 'x'), name_of(16)).error().code == errc::out_of_range);
    CHECK(!address_blob::parse(std::vector<std::byte>(4096)));
}

// Addresses come from peers: whatever is in them, what an accepted one shows lies inside it.
TEST_CASE("bytes that somebody has changed are refused or read within their bounds") {
    const auto wire = copy_of(*address_blob::make(77, "verbs;ofi_rxm", name_of(40)));
    random_stream random(5);
    int accepted = 0;
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = wire;
        const auto changes = 1 + random.next() % 3;
        for (std::uint64_t i = 0; i < changes; ++i) bytes[random.next() % 20] = static_cast<std::byte>(random.next());
        if (random.next() % 4 == 0) bytes.resize(random.next() % bytes.size());
        const auto got = address_blob::parse(bytes);
        if (!got) continue;
        ++accepted;
        const auto* first = got->bytes().data();
        REQUIRE_UNARY(got->bytes().size() == bytes.size());
        REQUIRE_UNARY(got->name() > first + 15 + got->provider().size());
        REQUIRE_UNARY(got->name() < first + bytes.size());
    }
    CHECK(accepted > 0); // changes of the incarnation alone are not seen here
    CHECK(accepted < 20'000);
}
