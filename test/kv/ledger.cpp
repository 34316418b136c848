// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kv/ledger.hpp>

using namespace ashlar;

TEST_CASE("a ticket is redeemed once, and later comers are told why not") {
    kv::ticket_ledger book({7});
    const auto a = book.issue(), b = book.issue(), c = book.issue();
    CHECK(book.redeem(a));
    CHECK(book.redeem(a).error().code == errc::replayed);
    book.expire(b), book.cancel(c);
    CHECK(book.redeem(b).error().code == errc::expired);
    CHECK(book.redeem(c).error().code == errc::cancelled);
    CHECK(book.redeem({c.value + 1}).error().code == errc::not_found);
    CHECK(book.redeem({a.value - 1}).error().code == errc::not_found);
    for (int i = 0; i < 1024; ++i) (void)book.issue();
    CHECK(book.redeem(b).error().code == errc::replayed); // beyond memory: never fresh
    CHECK(kv::ticket_ledger({8}).redeem(a).error().code == errc::not_found);
}
