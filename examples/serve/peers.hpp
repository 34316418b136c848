// SPDX-License-Identifier: Apache-2.0
// Who is in this process's fleet: by the peers file, by etcd, or, for a supervisor's child, by what it was told. The
// membership is sched::membership's decision; here its names get addresses. Polled by the loop that owns it.
//
//     peers fleet(how, "decode");   fleet.join(host, incarnation);   fleet.poll(now);
//     connect_to(fleet.router().address);
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/membership.hpp>
#include <support/directory/etcd.hpp>
#include <support/directory/static_file.hpp>

#include "settings.hpp"

namespace serve {

class peers {
public:
    peers(const settings& how, std::string role); // throws std::runtime_error
    ~peers();                                     // leaves

    // `address`: at which others reach this process. Asked for until it is there, and again whenever it is lost.
    void join(const std::string& address, std::uint64_t incarnation);
    void poll(ashlar::instant now);
    bool busy() const; // poll again in some milliseconds
    void leave();

    struct place {
        std::string address; // empty: nobody has it
        std::uint64_t incarnation = 0;
        friend bool operator==(const place&, const place&) = default;
    };
    place router() const;
    std::string own_host() const; // of an engine; empty: this machine only

    bool by_etcd() const { return std::holds_alternative<ashlar::support::etcd>(directory_); }
    // This process has its place, or there is none to be had. Without it nobody lets it in.
    bool entered() const;
    bool superseded() const; // another process has it
    // Whether the engine is a member. A file names addresses, not processes: there the fleet's key alone decides.
    bool has(std::uint64_t member) const;
    // Grows with every change: look again.
    std::uint64_t epoch() const { return all_.epoch(); }
    std::vector<ashlar::sched::role> engines() const; // that a file names

private:
    using news = ashlar::support::directory_news;
    ashlar::sched::registration mine() const;
    ashlar::sched::member_id number_of(const std::string& name);
    void hear(const news& one, ashlar::instant now);
    void tell(const ashlar::sched::directory_event& e, ashlar::instant now);
    void say_how_it_stands();

    const settings how_;
    const std::string role_;
    std::variant<std::monostate, ashlar::support::static_file, ashlar::support::etcd> directory_;
    ashlar::sched::membership all_;
    ashlar::sched::membership_changes changes_;
    struct known {
        ashlar::sched::member_id number;
        ashlar::support::directory_entry entry;
    };
    std::map<std::string, known, std::less<>> names_;
    std::uint64_t last_number_ = 0;
    std::vector<news> news_;
    std::string fault_, own_name_;
    bool was_entered_ = false, was_superseded_ = false;
};

} // namespace serve
