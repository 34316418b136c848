// SPDX-License-Identifier: Apache-2.0
// A directory that is a file: `router HOST:PORT`, `prefill HOST`, `decode HOST`, `unified HOST`, a line for each
// process, `#` begins a comment. The file is looked at now and then, and what changed in it is told. While it is absent
// or not sound the directory is lost, which takes nobody away.
//
// Entries are named router, prefill/1, prefill/2 ... in the order of their lines. A file grants a place to whoever has
// an address that it names for that role: its writer sees to it that there is one such process. Revisions count the
// versions of the file that this object has read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <support/directory/directory.hpp>
#include <support/outcome.hpp>

namespace ashlar::support {

class static_file {
public:
    explicit static_file(std::string path, duration look_every = {500'000'000});

    // The file as it is now. corrupt: with the line's number.
    static outcome<std::vector<directory_entry>> read(const std::string& path);

    void join(directory_entry mine); // .name may be a role: then any line of it with this address will do
    void poll(instant now, std::vector<directory_news>& news);
    void leave();
    sched::registration mine() const { return own_; }

private:
    void settle(instant now);

    std::string path_;
    duration look_every_;
    instant next_look_{};
    std::uint64_t version_ = 0;
    std::string seen_; // size, time and number of the file that was read last
    bool lost_ = false;
    std::vector<directory_entry> entries_;
    bool joined_ = false;
    directory_entry me_;
    sched::registration own_{{.retry_after = {1'000'000'000}}};
};
static_assert(directory<static_file>);

// The role that a name begins with.
inline std::string_view role_in(std::string_view name) { return name.substr(0, name.find('/')); }

} // namespace ashlar::support
