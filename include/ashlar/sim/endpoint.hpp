// SPDX-License-Identifier: Apache-2.0
// An endpoint of the simulated network: a fabric like any other, so that whatever runs over libfabric or shared memory
// runs here, under faults. Deregistering memory or disconnecting a peer fences what is still on its way from there.
//
//     sim::network net(options);   sim::endpoint a(net), b(net);   kv::mover<sim::endpoint, layout> mover(a, ...);
//
// Not for use from several threads; neither is its network, which outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/sim/network.hpp>

namespace ashlar::inline v0::sim {

class endpoint {
public:
    static constexpr bool computes_checksum = false;
    static constexpr bool down_is_final = true;
    static constexpr std::size_t max_message = network::max_message;

    explicit endpoint(network& net) : net_(&net), number_(net.open()) {}
    endpoint(const endpoint&) = delete;
    endpoint& operator=(const endpoint&) = delete;
    ~endpoint() { net_->kill(number_); }

    std::uint32_t number() const { return number_; } // what network::kill takes

    result<fabric::region> register_memory(fabric::memory m) {
        if (m.kind != fabric::memory_kind::host) return fail(errc::unsupported);
        if (!m.data || m.size == 0) return fail(errc::invalid_argument);
        port& p = mine();
        for (std::size_t i = 0; i < p.regions.size(); ++i) {
            if (p.regions[i].key) continue;
            p.regions[i] = {m, ++registered_ << 16 | i};
            return fabric::region{m.data, m.size, {0, p.regions[i].key, m.size}, i};
        }
        return fail(errc::exhausted);
    }
    result<void> deregister_memory(const fabric::region& r) {
        const fabric::memory* m = mine().find_memory(r.remote.key);
        if (!m || m->data != r.data) return fail(errc::not_found);
        mine().regions[r.remote.key & 0xffff] = {};
        return {};
    }

    std::span<const std::byte> address() const { return net_->at(number_).address; }
    result<fabric::peer_id> connect(std::span<const std::byte> address) {
        port& p = mine();
        if (address.size() != sizeof p.address || std::memcmp(address.data(), p.address, 8) != 0) {
            return fail(errc::invalid_argument);
        }
        std::uint64_t number;
        std::memcpy(&number, address.data() + 8, 8);
        if (number > UINT32_MAX || !net_->knows(static_cast<std::uint32_t>(number))) return fail(errc::peer_down);
        const auto to = static_cast<std::uint32_t>(number);
        const fabric::peer_id known = find(to);
        return known == fabric::peer_id::none() ? p.peers.insert({to, {}}) : result<fabric::peer_id>(known);
    }
    fabric::peer_state state(fabric::peer_id peer) const { return net_->at(number_).peers.state(peer); }
    void disconnect(fabric::peer_id peer) {
        const auto* e = mine().peers.find(peer);
        if (!e) return;
        const std::uint32_t to = e->link.to;
        net_->give_up(number_, to, peer, fail(errc::closed));
        net_->fence_pair(to, number_);
        mine().peers.erase(peer);
    }

    result<void> write(fabric::peer_id peer, fabric::local_slice from, fabric::remote_slice to, fabric::op& o) {
        return move(peer, flight::kind::write, from, to, nullptr, o);
    }
    result<void> write(fabric::peer_id peer, fabric::local_slice from, fabric::remote_slice to, std::uint32_t immediate,
                       fabric::op& o) {
        return move(peer, flight::kind::write, from, to, &immediate, o);
    }
    result<void> read(fabric::peer_id peer, fabric::local_slice to, fabric::remote_slice from, fabric::op& o) {
        return move(peer, flight::kind::read, to, from, nullptr, o);
    }
    result<void> send(fabric::peer_id peer, std::span<const std::byte> message, fabric::op& o) {
        ASHLAR_ASSERT(o.status != fabric::op_status::pending);
        if (message.empty()) return fail(errc::invalid_argument);
        if (message.size() > max_message) return fail(errc::out_of_range);
        if (const auto e = mine().peers.usable(peer); !e) return e.error();
        flight* f = net_->post(number_, peer, flight::kind::message, true, message, message.size(), o);
        if (!f) return fail(errc::again);
        net_->launch(*f);
        return {};
    }

    std::size_t poll(std::span<fabric::completion> out) {
        port& p = mine();
        for (; !p.held.empty(); --p.inbound_taken) net_->drop(p.held.pop());
        std::size_t n = 0;
        while (n < out.size() && (!p.finished.empty() || !p.inbound.empty())) {
            turn_ = !turn_; // so that neither side starves in a small `out`
            if (p.inbound.empty() || (turn_ && !p.finished.empty()))
                out[n++] = completed(p);
            else
                out[n++] = arrived(p);
        }
        while (n < out.size() && p.peers.report(out[n])) ++n; // last: nothing of that peer comes after it
        return n;
    }

private:
    static error fail(errc code) { return {code, origin::sim}; }
    port& mine() { return net_->at(number_); }
    fabric::peer_id find(std::uint32_t to) {
        return mine().peers.find_if([&](const port::link& l) { return l.to == to; });
    }

    result<void> move(fabric::peer_id peer, flight::kind what, const fabric::local_slice& here,
                      const fabric::remote_slice& there, const std::uint32_t* immediate, fabric::op& o) {
        ASHLAR_ASSERT(o.status != fabric::op_status::pending);
        if (const auto e = mine().peers.usable(peer); !e) return e.error();
        if (!fabric::in_bounds(here, there)) return fail(errc::out_of_range);
        if (here.size && !mine().find_memory(here.in->remote.key)) return fail(errc::invalid_argument);
        std::span<const std::byte> payload;
        if (what == flight::kind::write && here.size) payload = {here.in->data + here.offset, here.size};
        flight* f = net_->post(number_, peer, what, immediate != nullptr, payload, here.size, o);
        if (!f) return fail(errc::again);
        f->local_key = here.size ? here.in->remote.key : 0;
        f->local_offset = here.offset;
        f->remote_key = there.in.key;
        f->remote_offset = there.offset;
        f->has_immediate = immediate != nullptr;
        f->immediate = immediate ? *immediate : 0;
        net_->launch(*f);
        return {};
    }

    fabric::completion completed(port& p) {
        const port::finished_op f = p.finished.pop();
        --p.posted;
        f.operation->status = f.failed ? fabric::op_status::failed : fabric::op_status::done;
        f.operation->fault = f.failed ? f.fault : error{};
        return {.what = fabric::completion::kind::operation, .operation = f.operation, .fault = f.operation->fault};
    }
    fabric::completion arrived(port& p) {
        const port::arrival a = p.inbound.pop();
        fabric::completion c{.what = a.what, .peer = find(a.from), .immediate = a.immediate};
        if (a.flight == no_flight) {
            --p.inbound_taken;
        } else {
            const std::span<const std::byte> bytes = net_->message(a.flight);
            c.message = bytes;
            ASHLAR_ASSERT(p.held.push(a.flight));
        }
        return c;
    }

    network* net_;
    std::uint32_t number_;
    std::uint64_t registered_ = 0;
    bool turn_ = false;
};

static_assert(fabric::check_fabric<endpoint>() && fabric::readable<endpoint>);

} // namespace ashlar::inline v0::sim
