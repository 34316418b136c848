// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/provider.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "providers.hpp"

using namespace ashlar;

TEST_CASE("what a provider promises is what was asked: datagrams, messages, RMA and four bytes beside a write") {
    for (const std::string& name : test::providers()) {
        CAPTURE(name);
        const auto info = ofi::ask_provider(name.c_str(), nullptr);
        REQUIRE(info);
        const ofi::info_handle& i = *info;
        CHECK(std::string(i->fabric_attr->prov_name) == name);
        CHECK(i->ep_attr->type == FI_EP_RDM);
        CHECK((i->caps & (FI_MSG | FI_RMA)) == (FI_MSG | FI_RMA));
        CHECK(i->domain_attr->cq_data_size >= 4);
        CHECK((i->tx_attr->msg_order & FI_ORDER_SAS) != 0);
        CHECK(i->ep_attr->max_msg_size >= std::size_t{1} << 20);
    }
}

TEST_CASE("a provider that speaks sockets is bound to this machine alone unless told otherwise") {
    for (const std::string& name : test::providers()) {
        if (!ofi::speaks_sockets(name)) continue;
        CAPTURE(name);
        const auto info = ofi::ask_provider(name.c_str(), nullptr);
        REQUIRE(info);
        REQUIRE((*info)->addr_format == FI_SOCKADDR_IN);
        const auto* bytes = static_cast<const unsigned char*>((*info)->src_addr);
        CHECK(bytes[4] == 127); // sockaddr_in: family, port, then the address in network order
        CHECK(bytes[7] == 1);
    }
    CHECK(ofi::speaks_sockets("tcp;ofi_rxm"));
    CHECK(!ofi::speaks_sockets("shm"));
    CHECK(!ofi::speaks_sockets("verbs;ofi_rxm"));
}

TEST_CASE("a name is taken or refused; without one, something from the stated order is picked") {
    CHECK(ofi::pick_provider({.provider = "carrier-pigeon"}).error() ==
          error{errc::unsupported, origin::ofi, FI_ENODATA});
    for (const char* almost : {"", "ofi_rxm", ";ofi_rxm", "^net", "NET", "tc"}) { // libfabric finds one for each
        CAPTURE(std::string(almost));
        const auto r = ofi::pick_provider({.provider = almost});
        REQUIRE(!r);
        CHECK(r.error() == error{errc::unsupported, origin::ofi, FI_ENODATA});
    }
    const std::string first = test::providers()[0];
    auto named = ofi::pick_provider({.provider = first.c_str()});
    REQUIRE(named);
    CHECK(std::string((*named)->fabric_attr->prov_name) == first);
    const auto picked = ofi::pick_provider({});
    REQUIRE(picked);
    const std::string_view name = (*picked)->fabric_attr->prov_name;
    CAPTURE(name);
    CHECK(name.find("sockets") == name.npos);
    CHECK(name.find("udp") == name.npos);
    CHECK(name != "shm"); // only when asked for: it does not leave the host
}

TEST_CASE("what fi_getinfo gave moves with its owner") {
    auto found = ofi::ask_provider(test::providers()[0].c_str(), nullptr);
    REQUIRE(found);
    fi_info* at = found->get();
    ofi::info_handle a(std::move(*found));
    CHECK(found->get() == nullptr);
    CHECK(a.get() == at);
    ofi::info_handle b;
    b = std::move(a);
    CHECK(b.get() == at);
    CHECK(a.get() == nullptr);
    b = {}; // freed once: AddressSanitizer sees the rest
    CHECK(b.get() == nullptr);
}

TEST_CASE("a provider's number becomes our error, whichever sign it has") {
    const auto code = [](std::int64_t n) { return ofi::provider_error(n).code; };
    CHECK(ofi::provider_error(-FI_EAGAIN) == error{errc::again, origin::ofi, FI_EAGAIN});
    CHECK(ofi::provider_error(FI_EAGAIN) == ofi::provider_error(-FI_EAGAIN));
    for (int n : {FI_ECONNREFUSED, FI_ECONNRESET, FI_ENOTCONN, FI_ESHUTDOWN, FI_EHOSTUNREACH, EPIPE}) {
        CHECK(code(n) == errc::peer_down);
    }
    CHECK(code(FI_ETIMEDOUT) == errc::timed_out);
    CHECK(code(FI_ENODATA) == errc::unsupported);
    CHECK(code(FI_ENOMEM) == errc::exhausted);
    CHECK(code(FI_ECANCELED) == errc::cancelled);
    CHECK(code(FI_ENOKEY) == errc::not_found);
    CHECK(code(FI_EIO) == errc::io);
    CHECK(code(12345) == errc::io);
}

TEST_CASE("an error is told in words, and never in more than there is room for") {
    const auto words = [](error e, std::string_view provider) {
        return std::string(ofi::describe(e, provider).view());
    };
    CHECK(words({errc::again, origin::ofi}, "net") == "net: " + std::string(to_string(errc::again)));
    CHECK(words({errc::unsupported, origin::ofi, FI_EADDRNOTAVAIL}, "net") ==
          "net: the peer uses another provider; both ends need the same one");
    const std::string refused = words({errc::peer_down, origin::ofi, FI_ECONNREFUSED}, "tcp");
    CHECK(refused == "tcp: " + std::string(to_string(errc::peer_down)) + " (" + fi_strerror(FI_ECONNREFUSED) + ")");
    CHECK(words({errc::io, origin::fabric, ENOENT}, "x").ends_with("(No such file or directory)"));
    CHECK(words({errc::io, origin::ofi, FI_EIO}, std::string(1000, 'p')).size() == 160);
}
