// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd_gateway.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::support::etcd_gateway;

TEST_CASE("base64 there and back, and nothing for what is none") {
    for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"})
        CHECK(from_base64(to_base64(text)) == text);
    CHECK(to_base64("fooba") == "Zm9vYmE="); // RFC 4648, section 10
    CHECK(to_base64("\xff\xfe") == "//4=");
    for (const char* bad : {"A", "AB", "ABC", "AB=C", "A===", "AB-_", "AB C"}) CHECK_FALSE(from_base64(bad));
}

TEST_CASE("a keep-alive without a TTL says that the lease is dead") {
    CHECK(read_lease(R"({"result":{"header":{"revision":"9"},"ID":"7587861231285799685","TTL":"5"}})")->ttl_s == 5);
    const auto dead = read_lease(R"({"result":{"header":{"revision":"9"},"ID":"7587861231285799685"}})");
    REQUIRE(dead);
    CHECK(dead->ttl_s == 0);
    CHECK(dead->lease == 7587861231285799685u);
    CHECK_FALSE(read_lease(R"({"result":{"TTL":"5"}})"));
    CHECK_FALSE(read_lease(R"({"result":{"ID":"7","TTL":"-1"}})"));
    CHECK_FALSE(read_lease(R"({"result":{"ID":"7","TTL":"99999999999"}})"));
    CHECK_FALSE(read_lease(R"({"result":7})"));
    CHECK_FALSE(read_lease(R"({"ID":"18446744073709551616"})"));
    CHECK_FALSE(read_lease("etcdserver: no leader"));
}

TEST_CASE("a claim is ours by this transaction or by an earlier one under the same lease") {
    const auto won =
        read_claim(R"({"header":{"revision":"12"},"succeeded":true,"responses":[{"response_put":{}}]})", 5);
    REQUIRE(won);
    CHECK(won->ours);
    CHECK(won->created.value == 12);
    const char* there = R"({"header":{"revision":"20"},"responses":[{"response_range":{"count":"1","kvs":[
        {"key":"YQ==","create_revision":"8","mod_revision":"8","version":"1","value":"YQ==","lease":"5"}]}}]})";
    CHECK(read_claim(there, 5)->ours); // the answer to the first try was lost
    CHECK(read_claim(there, 5)->created.value == 8);
    CHECK_FALSE(read_claim(there, 6)->ours);
    CHECK_FALSE(read_claim(R"({"header":{"revision":"20"},"responses":[{"response_range":{}}]})", 5));
    CHECK_FALSE(read_claim(R"({"succeeded":true})", 5));
    CHECK_FALSE(read_claim(R"({"responses":[7]})", 5));
}

TEST_CASE("a watch tells entries, deletions and its own end below a compaction") {
    const std::string prefix = "/ashlar/x/";
    const std::string put = R"({"result":{"header":{"revision":"31"},"events":[{"kv":{"key":")" +
                            to_base64(prefix + "decode/1") +
                            R"(","create_revision":"31","mod_revision":"31","value":")" +
                            to_base64(R"({"address":"10.0.0.3","incarnation":"77"})") + R"(","lease":"5"}},)" +
                            R"({"type":"DELETE","kv":{"key":")" + to_base64(prefix + "decode/2") +
                            R"(","mod_revision":"31"}},{"kv":{"key":")" + to_base64("/elsewhere/a") +
                            R"(","create_revision":"31","mod_revision":"31","value":"YQ=="}}]}})";
    const auto got = read_watch(put, prefix);
    REQUIRE(got);
    REQUIRE(got->events.size() == 2);
    CHECK(got->events[0].entry == support::directory_entry{"decode/1", "10.0.0.3", 77, {31}});
    CHECK(got->events[1].deleted);
    CHECK(got->events[1].entry.name == "decode/2");
    const auto gone = read_watch(R"({"result":{"header":{},"canceled":true,"compact_revision":"40"}})", prefix);
    REQUIRE(gone);
    CHECK(gone->canceled);
    CHECK(gone->compacted == 40);
    CHECK(read_watch(R"({"error":{"message":"etcdserver: no leader"}})", prefix)->canceled);
    CHECK_FALSE(read_watch(R"({"result":{"header":{"revision":"1"},"events":[7]}})", prefix));
    CHECK_FALSE(read_watch(R"({"result":{"header":{"revision":"1"},"events":[{"kv":{"key":"!"}}]}})", prefix));
}
