// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/inbox.hpp>

#include <cstring>

#include <doctest/doctest.h>

#include "providers.hpp"

using namespace ashlar;

TEST_CASE("a message is read where it lies, and what is cut, empty, too long or of another protocol is not") {
    const std::string provider = test::providers()[0];
    auto info = ofi::pick_provider({.provider = provider.c_str()});
    REQUIRE(info);
    ofi::opened o;
    REQUIRE(o.open(*info->get(), 64));
    ofi::inbox in(2);
    ofi::handle<fid_ep> ep;
    REQUIRE(o.open_endpoint(*info->get(), ep));
    auto memory = o.pin(*info->get(), ep, in.bytes());
    REQUIRE(memory);
    in.start(ep.get(), std::move(*memory));
    // A slot lies at the front of the pool; what the provider would write is written here.
    ofi::inbox::letter l;
    const auto arrives = [&](std::uint32_t magic, std::uint32_t said, std::size_t length) {
        const ofi::message_header header{77, said, magic};
        std::memcpy(in.bytes().data(), &header, sizeof header);
        return in.take(in.context(0), length, l);
    };
    constexpr std::uint32_t ours = ofi::message_header::magic_number;
    CHECK(in.owns(in.context(0)));
    CHECK_FALSE(in.owns(&l));
    REQUIRE(arrives(ours, 5, sizeof(ofi::message_header) + 5));
    CHECK(l.incarnation == 77);
    CHECK(l.message.data() == in.bytes().data() + sizeof(ofi::message_header));
    CHECK(l.message.size() == 5);
    CHECK_FALSE(arrives(ours + 1, 5, sizeof(ofi::message_header) + 5));
    CHECK_FALSE(arrives(ours, 6, sizeof(ofi::message_header) + 5));
    CHECK_FALSE(arrives(ours, 0, sizeof(ofi::message_header)));
    CHECK_FALSE(arrives(ours, 5, sizeof(ofi::message_header) - 1));
    CHECK_FALSE(arrives(ours, 5, ofi::message_room + 1));
}
