// SPDX-License-Identifier: Apache-2.0
// A directory says who is where, in which role, under which revision. It is polled by the loop that owns it and calls
// nobody back; it starts no thread, so that who hangs is not kept alive in it.
//
//     peers.join({.name = "router", .address = "10.0.0.1:9000"});
//     for (news.clear(), peers.poll(now, news); const auto& each : news) ...   // into a sched::membership
//
// Two models: static_file (the default) and etcd. test/directory/contract.hpp runs over both, and over your own.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

#include <ashlar/core/units.hpp>
#include <ashlar/sched/registration.hpp>

namespace ashlar::support {

struct directory_entry {
    std::string name;              // "router", or "<role>/<incarnation>": one owner at a time
    std::string address;           // at which others reach it
    std::uint64_t incarnation = 0; // of its process; 0: a file cannot know
    sched::revision_id created;    // by the directory
    friend bool operator==(const directory_entry&, const directory_entry&) = default;
};

struct directory_news {
    enum class kind : std::uint8_t {
        listing, // a whole list follows, as ups
        up,
        down, // entry.name and entry.created say whose
        listed,
        lost,  // it cannot be heard; news go on with `listing`
        fault, // text: a sentence for a person, of what may be wrong with the directory
    } what{};
    directory_entry entry{};
    std::string text{};
};

template <class D>
concept directory = requires(D d, const D seen, directory_entry mine, std::vector<directory_news>& news, instant now) {
    d.join(mine);                                         // from now on; asked for again when it is lost
    d.poll(now, news);                                    // never waits; appends
    d.leave();                                            // at once if it can; bounded
    { seen.mine() } -> std::same_as<sched::registration>; // how this process's own entry stands
};

} // namespace ashlar::support
