// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd_endpoints.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <netdb.h>

namespace ashlar::support {

using boost::asio::ip::tcp;
using boost::system::error_code;

struct etcd_endpoints::looking {
    std::vector<std::string> hosts;
    std::vector<std::vector<std::string>> found; // as many, once it is done
    std::atomic<bool> done{false};
};

std::vector<std::string> addresses_of(const std::string& host) {
    addrinfo want{}, *found = nullptr;
    want.ai_socktype = SOCK_STREAM;
    std::vector<std::string> out;
    if (::getaddrinfo(host.c_str(), nullptr, &want, &found) != 0) return out;
    for (const addrinfo* each = found; each; each = each->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            out.emplace_back(text);
    }
    ::freeaddrinfo(found);
    return out;
}

etcd_endpoints::etcd_endpoints(const std::vector<std::string>& names, host_lookup lookup) : lookup_(lookup) {
    for (const auto& each : names) {
        if (std::any_of(hosts_.begin(), hosts_.end(), [&](const host& one) { return one.name == each; })) continue;
        const auto colon = each.rfind(':');
        host one{.name = each, .text = each.substr(0, colon)};
        if (one.text.size() > 2 && one.text.front() == '[') one.text = one.text.substr(1, one.text.size() - 2);
        if (colon != each.npos) std::from_chars(each.data() + colon + 1, each.data() + each.size(), one.port);
        if (one.port == 0) throw std::runtime_error("etcd at " + each + ": no port");
        error_code no;
        boost::asio::ip::make_address(one.text, no);
        one.in_digits = !no;
        const auto found = places_of(one, one.in_digits ? std::vector{one.text} : lookup_(one.text));
        if (found.empty()) throw std::runtime_error("etcd at " + each + ": the host has no address");
        all_.insert(all_.end(), found.begin(), found.end());
        hosts_.push_back(std::move(one));
    }
    if (all_.empty()) throw std::runtime_error("etcd needs an endpoint, HOST:PORT");
}

std::vector<etcd_endpoints::place> etcd_endpoints::places_of(const host& of,
                                                             const std::vector<std::string>& addresses) {
    std::vector<place> out;
    for (const auto& each : addresses) {
        error_code no;
        const auto address = boost::asio::ip::make_address(each, no);
        if (!no) out.push_back({of.name, tcp::endpoint(address, of.port)});
    }
    return out;
}

bool etcd_endpoints::next() {
    at_ = (at_ + 1) % all_.size();
    if (++failures_ % all_.size() != 0) return false;
    look_again();
    return true;
}

void etcd_endpoints::look_again() {
    if (looking_) return;
    auto now = std::make_shared<looking>();
    for (const auto& each : hosts_)
        if (!each.in_digits) now->hosts.push_back(each.text);
    if (now->hosts.empty()) return;
    try {
        std::thread([now, lookup = lookup_] {
            now->found.resize(now->hosts.size());
            try {
                for (std::size_t i = 0; i < now->hosts.size(); ++i) now->found[i] = lookup(now->hosts[i]);
            } catch (const std::exception&) { // no memory: the others stay where they were known
            }
            now->done.store(true, std::memory_order_release);
        }).detach();
        looking_ = std::move(now);
    } catch (const std::system_error&) { // no thread to be had: the next time, then
    }
}

bool etcd_endpoints::moved() {
    if (!looking_ || !looking_->done.load(std::memory_order_acquire)) return false;
    const auto now = std::exchange(looking_, nullptr);
    std::vector<place> fresh;
    auto found = now->found.begin();
    for (const auto& each : hosts_) {
        const auto places = each.in_digits ? std::vector<place>() : places_of(each, *found++);
        if (places.empty()) // nothing new is known of it
            std::copy_if(all_.begin(), all_.end(), std::back_inserter(fresh),
                         [&](const place& one) { return one.name == each.name; });
        else
            fresh.insert(fresh.end(), places.begin(), places.end());
    }
    if (std::is_permutation(fresh.begin(), fresh.end(), all_.begin(), all_.end())) return false;
    all_ = std::move(fresh);
    at_ = failures_ = 0;
    return true;
}

} // namespace ashlar::support
