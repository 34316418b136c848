// SPDX-License-Identifier: Apache-2.0
// What etcd's HTTP gateway (/v3, JSON) is asked and what it answers, as values: no socket, no clock. 64-bit numbers are
// strings there, keys and values base64, zeroes and empty fields are left out. Answers are read without trust: a field
// of the wrong type is a fault, an entry that does not parse is no entry.
//
// Source: etcd's rpc.proto of 3.4 and 3.5 (KV, Lease, Watch) under grpc-gateway's JSON mapping.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <support/directory/directory.hpp>
#include <support/outcome.hpp>

namespace ashlar::support::etcd_gateway {

struct request {
    std::string path, body;
};

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text); // nothing when it is none

request grant(std::uint32_t ttl_s);
request renew(std::uint64_t lease);
request revoke(std::uint64_t lease);
// Puts the entry if the key is absent, and otherwise reads it: one transaction.
request claim(const std::string& prefix, const directory_entry& entry, std::uint64_t lease);
request list(const std::string& prefix);
request watch(const std::string& prefix, std::uint64_t from_revision);

struct leased {
    std::uint64_t lease = 0;
    std::uint32_t ttl_s = 0; // 0: the lease is dead, for a keep-alive of one is answered 200 without a TTL
};
struct claimed {
    bool ours = false; // by this transaction, or by an earlier one under the same lease
    sched::revision_id created;
};
struct stored {
    directory_entry entry; // name only in a deletion, with the revision at which it was deleted as `created`
    bool deleted = false;
    std::uint64_t revision = 0;
};
struct listed {
    std::vector<directory_entry> entries;
    std::uint64_t revision = 0;
};
struct watched {
    bool created = false, canceled = false;
    std::uint64_t compacted = 0; // the watch began below this revision: list anew
    std::vector<stored> events;
};

outcome<leased> read_lease(std::string_view body);
outcome<claimed> read_claim(std::string_view body, std::uint64_t lease);
outcome<listed> read_list(std::string_view body, const std::string& prefix);
outcome<watched> read_watch(std::string_view line, const std::string& prefix);
// Whether an error's body says that the lease does not exist (a claim under a dead one).
bool says_no_lease(std::string_view body);

} // namespace ashlar::support::etcd_gateway
