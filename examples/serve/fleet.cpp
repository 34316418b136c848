// SPDX-License-Identifier: Apache-2.0
#include "fleet.hpp"

#include <chrono>
#include <utility>

#include "clock.hpp"
#include "link.hpp"

namespace serve {

namespace al = ashlar;
using al::sched::role;

fleet::fleet(boost::asio::io_context& loop, const settings& how, engines& connected, std::function<void()> looked)
    : alone_(how.peers.empty()), unified_(how.role == "unified"), address_(how.address), peers_(how, "router"),
      connected_(connected), looked_(std::move(looked)), timer_(loop) {}

std::string fleet::control_address() const {
    if (alone_) return "127.0.0.1:0";
    return peers_.by_etcd() ? address_ : peers_.router().address;
}

void fleet::join(int control_fd) {
    if (alone_) return;
    peers_.join(address_of(control_fd), random_word());
    watch();
}

void fleet::watch() {
    timer_.expires_after(std::chrono::milliseconds(peers_.busy() ? 5 : 50));
    timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        peers_.poll(monotonic());
        if (std::exchange(epoch_, peers_.epoch()) != peers_.epoch() || superseded()) part_from_strangers();
        looked_();
        watch();
    });
}

void fleet::part_from_strangers() {
    std::vector<al::instance_id> out; // hanging up takes them out of the list
    for (const auto& each : connected_.all()) {
        if (each->live() && (superseded() || !peers_.has(each->facts.member))) out.push_back(each->instance);
    }
    for (const auto each : out)
        connected_.hang_up(each, superseded() ? "this fleet has another router" : "it has left the directory");
}

// A file says how many there are to be; in etcd are those that are.
std::vector<role> fleet::expected() const {
    if (alone_ && unified_) return {role::unified};
    if (!alone_ && !peers_.by_etcd()) return peers_.engines();
    for (const auto& each : connected_.all()) {
        if (each->live() && each->facts.as == role::unified) return {role::unified};
    }
    return {role::prefill, role::decode};
}

} // namespace serve
