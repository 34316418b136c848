// SPDX-License-Identifier: Apache-2.0
// Where etcd may be asked: the addresses of its endpoints' names, one after the other. Members move (a new address
// under the same name, as in Kubernetes), so that when all addresses have failed the names are looked up again. That
// may take as long as it likes: it is done in a thread of its own, one at a time, and nobody waits for it.
//
//     etcd_endpoints where({"etcd-0.etcd:2379", "10.0.0.2:2379"}, addresses_of);
//     ask(where.address());   if (it_failed && where.next()) pause();   if (where.moved()) ask_again();
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace ashlar::support {

// The addresses of a host, in digits; empty: none. May wait, and is called in other threads.
using host_lookup = std::vector<std::string> (*)(const std::string& host);
std::vector<std::string> addresses_of(const std::string& host); // getaddrinfo's

class etcd_endpoints {
public:
    // HOST:PORT each. Waits for all of them; throws std::runtime_error for a host that has no address.
    etcd_endpoints(const std::vector<std::string>& names, host_lookup lookup);

    const std::string& name() const { return all_[at_].name; } // as it was given
    const boost::asio::ip::tcp::endpoint& address() const { return all_[at_].where; }
    bool next();  // true: all have failed since this was last true
    bool moved(); // true: a lookup has ended, and the addresses are others than before

private:
    struct host {
        std::string name, text; // with its port, and without
        std::uint16_t port = 0;
        bool in_digits = false;
    };
    struct place {
        std::string name;
        boost::asio::ip::tcp::endpoint where;
        bool operator==(const place&) const = default;
    };
    struct looking;
    void look_again();
    static std::vector<place> places_of(const host& of, const std::vector<std::string>& addresses);

    host_lookup lookup_;
    std::vector<host> hosts_;
    std::vector<place> all_;
    std::size_t at_ = 0, failures_ = 0;
    std::shared_ptr<looking> looking_; // shared with its thread
};

} // namespace ashlar::support
