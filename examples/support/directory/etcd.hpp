// SPDX-License-Identifier: Apache-2.0
// A directory in etcd, through its HTTP gateway (3.4 and later; no TLS). Entries are /ashlar/<fleet>/<name>, each under
// its owner's lease, claimed by a transaction that succeeds only where there is none; others follow by a list and a
// watch. When to call what for the own entry is sched::registration's decision.
//
//     etcd peers({.endpoints = {"10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379"}, .fleet = "blue"});
//     peers.join(mine);   for (;;) peers.poll(now, news);
//
// All calls and the watch go to one endpoint, so that an endpoint that is stopped is noticed whatever its sockets say;
// after any failure the next one is asked and the watch resumed where it stopped. When all have failed, names are
// looked up again, in another thread: members move. `lost` is said when none has answered for half a lease. What a
// process reads here proves nothing: peers prove themselves to each other by the fleet's key.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <support/directory/directory.hpp>
#include <support/outcome.hpp>

namespace ashlar::support {

struct etcd_options {
    std::vector<std::string> endpoints; // HOST:PORT
    std::string fleet = "default";      // letters, digits, '-', '_', '.'
    std::uint32_t ttl_s = 5;            // at least 3 election times of the cluster
    duration call_timeout{1'000'000'000};
    duration retry_after{500'000'000};
    // The addresses of a host, in digits; called in other threads. Null: getaddrinfo's.
    std::vector<std::string> (*lookup)(const std::string& host) = nullptr;
};

// "etcd://HOST:PORT,HOST:PORT/FLEET", the fleet may be left out.
outcome<etcd_options> etcd_options_of(std::string_view url);

class etcd {
public:
    explicit etcd(etcd_options how); // throws std::runtime_error for a host that has no address
    etcd(etcd&&) noexcept;
    etcd& operator=(etcd&&) noexcept;
    ~etcd(); // leaves nothing: a lease that nobody renews runs out

    void join(directory_entry mine);
    void poll(instant now, std::vector<directory_news>& news);
    void leave(); // waits at most half a second for etcd's answer
    sched::registration mine() const;

    bool busy() const;                   // an answer is awaited: poll again soon
    const std::string& endpoint() const; // that is asked at present
    std::uint64_t relisted() const;      // whole lists, among them those after a compaction

private:
    struct state;
    std::unique_ptr<state> state_;
};
static_assert(directory<etcd>);

} // namespace ashlar::support
