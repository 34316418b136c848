// SPDX-License-Identifier: Apache-2.0
#include <support/directory/static_file.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include <sys/stat.h>

namespace ashlar::support {

using kind = directory_news::kind;
using call = sched::registration::call;

static_file::static_file(std::string path, duration look_every) : path_(std::move(path)), look_every_(look_every) {}

outcome<std::vector<directory_entry>> static_file::read(const std::string& path) {
    std::ifstream in(path);
    if (!in) return make_fault(errc::io, "cannot read the peers file " + path + ": " + std::strerror(errno), errno);
    std::vector<directory_entry> entries;
    std::map<std::string, unsigned> counts;
    std::size_t number = 0;
    for (std::string text; std::getline(in, text);) {
        ++number;
        std::istringstream words(text.substr(0, text.find('#')));
        std::string role, address;
        if (!(words >> role)) continue;
        words >> address;
        const bool known = role == "router" || role == "prefill" || role == "decode" || role == "unified";
        if (!known || address.empty())
            return make_fault(errc::corrupt, path + ", line " + std::to_string(number) +
                                                 ": write 'router HOST:PORT', 'prefill HOST' or 'decode HOST'");
        const unsigned nth = ++counts[role];
        entries.push_back({.name = role == "router" ? role : role + "/" + std::to_string(nth), .address = address});
    }
    if (counts["router"] != 1)
        return make_fault(errc::corrupt, path + ": there must be exactly one 'router HOST:PORT' line");
    return entries;
}

void static_file::join(directory_entry mine) {
    me_ = std::move(mine);
    joined_ = true;
    next_look_ = {};
}
void static_file::leave() {
    joined_ = false;
    own_ = sched::registration({.retry_after = {1'000'000'000}});
}

void static_file::poll(instant now, std::vector<directory_news>& news) {
    if (now < next_look_) return;
    next_look_ = now + look_every_;
    struct stat facts{};
    std::string state = "absent";
    if (::stat(path_.c_str(), &facts) == 0)
        state = std::to_string(facts.st_ino) + " " + std::to_string(facts.st_size) + " " +
                std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec);
    if (state == std::exchange(seen_, state)) return settle(now);
    auto now_there = read(path_);
    if (!now_there) {
        if (!std::exchange(lost_, true)) {
            news.push_back({.what = kind::fault, .text = now_there.fault().sentence});
            news.push_back({.what = kind::lost});
        }
        return;
    }
    lost_ = false;
    ++version_;
    news.push_back({.what = kind::listing});
    for (auto& e : *now_there) { // what stands there as before keeps its revision
        const auto before = std::find_if(entries_.begin(), entries_.end(), [&](const directory_entry& old) {
            return old.name == e.name && old.address == e.address;
        });
        e.created = before != entries_.end() ? before->created : sched::revision_id{version_};
        news.push_back({.what = kind::up, .entry = e});
    }
    news.push_back({.what = kind::listed});
    entries_ = std::move(*now_there);
    settle(now);
}

// The own place: there or not, by what the file says.
void static_file::settle(instant now) {
    if (!joined_ || lost_) return;
    const auto mine = std::find_if(entries_.begin(), entries_.end(), [&](const directory_entry& e) {
        return (e.name == me_.name || role_in(e.name) == me_.name) && e.address == me_.address;
    });
    const bool there = mine != entries_.end();
    if (own_.entered() && (!there || !(mine->created == own_.claimed()))) own_.evicted(own_.claimed(), now);
    for (call due; (due = own_.due(now)) != call::none;) {
        if (due == call::claim && there)
            own_.claimed(mine->created);
        else if (due == call::claim)
            own_.taken(now);
        else if (due == call::grant)
            own_.granted(instant::never() - now, now);
        else
            own_.renewed(instant::never() - now, now);
    }
}

} // namespace ashlar::support
