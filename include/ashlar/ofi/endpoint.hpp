// SPDX-License-Identifier: Apache-2.0
// A libfabric endpoint as a fabric. Nothing here waits for a provider: EAGAIN is errc::again, progress is made by
// `poll`, and a peer that takes and finishes nothing for `stall_max` is declared down, because some providers never
// would. Assumes no order between writes and never reads the length of a remote write's completion.
//
//     auto net = ofi::endpoint::open({.provider = "net"});
//     if (!net) log(ofi::describe(net.error(), "net").view());
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <rdma/fi_cm.h>
#include <rdma/fi_rma.h>
#include <sys/random.h>
#include <time.h>

#include <ashlar/core/assert.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/fabric/peer_table.hpp>
#include <ashlar/ofi/address.hpp>
#include <ashlar/ofi/backlog.hpp>
#include <ashlar/ofi/buffers.hpp>
#include <ashlar/ofi/handle.hpp>
#include <ashlar/ofi/inbox.hpp>
#include <ashlar/ofi/opened.hpp>
#include <ashlar/ofi/provider.hpp>
#include <ashlar/ofi/regions.hpp>
#include <ashlar/ofi/rest.hpp>

namespace ashlar::inline v0::ofi {

using fabric::completion;
using fabric::in_bounds;
using fabric::local_slice;
using fabric::memory;
using fabric::memory_kind;
using fabric::op;
using fabric::op_status;
using fabric::peer_id;
using fabric::peer_state;
using fabric::peer_table;
using fabric::region;
using fabric::remote_slice;

// Not for use from several threads.
class endpoint {
public:
    static constexpr bool computes_checksum = false;
    static constexpr std::size_t max_message = max_message_bytes;

    static result<endpoint> open(options o) {
        if (!o.operations || !o.receive_buffers || !o.peers || !o.regions || o.regions > regions::most ||
            o.stall_max.ns <= 0) {
            return {errc::invalid_argument, origin::ofi};
        }
        auto info = pick_provider(o);
        if (!info) return info.error();
        endpoint e(o, std::move(*info));
        if (auto made = e.set_up(); !made) return made.error();
        return e;
    }
    endpoint(endpoint&&) noexcept = default;
    endpoint& operator=(endpoint&&) = delete;
    ~endpoint() = default;

    std::string_view provider() const { return info_->fabric_attr->prov_name; }
    description describe(error e) const { return ofi::describe(e, provider()); }

    result<region> register_memory(memory m) {
        if (m.kind != memory_kind::host) return fail(errc::unsupported);
        if (!m.data || m.size == 0) return fail(errc::invalid_argument);
        return regions_.add(libfabric_, *info_.get(), ep_, m);
    }
    result<void> deregister_memory(const region& r) { return regions_.remove(r); }

    std::span<const std::byte> address() const { return address_.bytes(); }
    // unsupported with os_code FI_EADDRNOTAVAIL: the peer uses another provider.
    result<peer_id> connect(std::span<const std::byte> address) {
        const auto a = address_blob::parse(address);
        if (!a) return a.error();
        if (a->provider() != provider()) return {errc::unsupported, origin::ofi, FI_EADDRNOTAVAIL};
        const peer_id known = peer_of(a->incarnation());
        if (known != peer_id::none()) return known;
        link l{.incarnation = a->incarnation()};
        const int rc = fi_av_insert(libfabric_.av.get(), a->name(), 1, &l.at, 0, nullptr);
        if (rc != 1) return rc < 0 ? provider_error(rc) : fail(errc::invalid_argument);
        auto id = peers_.insert(l);
        if (!id) fi_av_remove(libfabric_.av.get(), &l.at, 1, 0);
        return id;
    }
    peer_state state(peer_id peer) const { return peers_.state(peer); }
    void disconnect(peer_id peer) {
        auto* e = peers_.find(peer);
        if (!e) return;
        let_go(peer, fail(errc::cancelled));
        fi_av_remove(libfabric_.av.get(), &e->link.at, 1, 0);
        peers_.erase(peer);
    }

    result<void> write(peer_id peer, local_slice from, remote_slice to, op& o) {
        return move(peer, from, to, o, [&](const job& j) {
            return fi_write(ep_.get(), j.here, from.size, j.descriptor, j.to, j.there, to.in.key, j.context);
        });
    }
    result<void> write(peer_id peer, local_slice from, remote_slice to, std::uint32_t immediate, op& o) {
        return move(peer, from, to, o, [&](const job& j) {
            return fi_writedata(ep_.get(), j.here, from.size, j.descriptor, immediate, j.to, j.there, to.in.key,
                                j.context);
        });
    }
    result<void> read(peer_id peer, local_slice to, remote_slice from, op& o) {
        return move(peer, to, from, o, [&](const job& j) {
            return fi_read(ep_.get(), j.here, to.size, j.descriptor, j.to, j.there, from.in.key, j.context);
        });
    }
    result<void> send(peer_id peer, std::span<const std::byte> message, op& o) {
        if (message.empty()) return fail(errc::invalid_argument);
        if (message.size() > max_message) return fail(errc::out_of_range);
        return post(peer, o, [&](fi_addr_t to, send_slot* slot) {
            std::byte* at = send_bytes_.data() + sends_.index(slot) * message_room;
            const message_header header{address_.incarnation(), static_cast<std::uint32_t>(message.size()),
                                        message_header::magic_number};
            std::memcpy(at, &header, sizeof header);
            std::memcpy(at + sizeof header, message.data(), message.size());
            return fi_send(ep_.get(), at, sizeof header + message.size(), send_pin_.descriptor(), to, &slot->context);
        });
    }

    std::size_t poll(std::span<completion> out) {
        inbox_.post(ep_.get());
        notice_stalls();
        std::size_t n = 0;
        while (n < out.size() && peers_.report(out[n])) ++n;
        while (n < out.size() && !let_go_.empty()) {
            const finished f = let_go_.pop();
            out[n++] = end(f.operation, f.fault);
        }
        for (int round = 0; n < out.size() && round < 64; ++round) { // bounded, whatever a provider keeps saying
            fi_cq_data_entry entries[16];
            const ssize_t got = fi_cq_read(libfabric_.cq.get(), entries, out.size() - n < 16 ? out.size() - n : 16);
            if (got == -FI_EAVAIL)
                n += take_error(out[n]);
            else if (got <= 0)
                break;
            for (ssize_t i = 0; i < got; ++i) n += take(entries[i], out[n]);
        }
        if (n == out.size())
            fi_cq_read(libfabric_.cq.get(), nullptr, 0); // progress is due also to who has no room for news
        if (n) rest_.over();
        return n;
    }

    bool wait(duration max) { return peers_.has_report() || !let_go_.empty() || rest_.wait(libfabric_, max, waiting_); }

private:
    static constexpr std::int64_t look_after_peers_ns = 50'000'000;

    struct link {
        fi_addr_t at = FI_ADDR_UNSPEC;
        std::uint64_t incarnation = 0;
        backlog work{};
    };
    struct job {
        void* here;
        void* descriptor;
        fi_addr_t to;
        std::uint64_t there;
        void* context;
    };
    struct finished {
        op* operation = nullptr;
        error fault{};
    };

    endpoint(const options& o, info_handle info)
        : options_(o), info_(std::move(info)), sends_(o.operations), send_bytes_(o.operations * message_room),
          inbox_(o.receive_buffers), regions_(o.regions), peers_(o.peers), let_go_(o.operations) {}

    static error fail(errc code) { return {code, origin::ofi}; }
    static std::int64_t now_ns() {
        timespec t{};
        ::clock_gettime(CLOCK_MONOTONIC, &t);
        return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    }

    result<void> set_up() {
        if (auto ok = libfabric_.open(*info_.get(), 2 * (sends_.size() + inbox_.size()) + 1024); !ok) return ok;
        if (auto ok = libfabric_.open_endpoint(*info_.get(), ep_); !ok) return ok;
        std::byte name[256];
        std::size_t size = sizeof name;
        if (int rc = fi_getname(&ep_->fid, name, &size)) return provider_error(rc);
        std::uint64_t incarnation = 0;
        while (incarnation == 0) {
            if (::getrandom(&incarnation, sizeof incarnation, 0) != sizeof incarnation) return fail(errc::io);
        }
        auto blob = address_blob::make(incarnation, provider(), {name, size});
        if (!blob) return blob.error();
        address_ = *blob;

        auto sends = libfabric_.pin(*info_.get(), ep_, {send_bytes_.data(), send_bytes_.size()});
        if (!sends) return sends.error();
        send_pin_ = std::move(*sends);
        auto receives = libfabric_.pin(*info_.get(), ep_, inbox_.bytes());
        if (!receives) return receives.error();
        return inbox_.start(ep_.get(), std::move(*receives)), result<void>{};
    }
    peer_id peer_of(std::uint64_t incarnation) const {
        return peers_.find_if([&](const link& l) { return l.incarnation == incarnation; });
    }

    template <class Call>
    result<void> move(peer_id peer, const local_slice& here, const remote_slice& there, op& o, Call&& call) {
        if (auto e = peers_.usable(peer); !e) return e.error();
        if (!in_bounds(here, there)) return fail(errc::out_of_range);
        const pinned* p = here.size ? regions_.find(*here.in) : &send_pin_; // nothing is sent from somewhere valid
        if (!p) return fail(errc::invalid_argument);
        std::byte* at = here.size ? here.in->data + here.offset : send_bytes_.data();
        return post(peer, o, [&](fi_addr_t to, send_slot* slot) {
            return call(job{at, p->descriptor(), to, there.in.base + there.offset, &slot->context});
        });
    }
    template <class Call>
    result<void> post(peer_id peer, op& o, Call&& call) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        auto e = peers_.usable(peer);
        if (!e) return e.error();
        link& l = (*e)->link;
        send_slot* slot = let_go_.size() < let_go_.capacity() ? sends_.take() : nullptr;
        if (!slot) return no_slot();
        none_free_ = {};
        const ssize_t rc = call(l.at, slot);
        if (rc != 0) {
            sends_.give(slot);
            if (rc == -FI_EAGAIN) return again(peer, l);
            const error fault = provider_error(rc);
            if (fault.code == errc::peer_down) lose(peer, fault);
            return fault;
        }
        slot->operation = &o;
        slot->peer = peer;
        slot->generation = (*e)->generation;
        o.status = op_status::pending;
        o.fault = {};
        l.work.posted(now_ns());
        return {};
    }
    // Some providers never give back what a dead peer's operations held: when all is held so, `again` would be for
    // ever.
    result<void> no_slot() {
        waiting_ = true;
        return {none_free_.refused(now_ns(), options_.stall_max.ns) ? errc::exhausted : errc::again, origin::ofi};
    }
    result<void> again(peer_id peer, link& l) {
        waiting_ = true;
        if (!l.work.refused(now_ns(), options_.stall_max.ns)) return {errc::again, origin::ofi, FI_EAGAIN};
        lose(peer, {errc::timed_out, origin::ofi, FI_ETIMEDOUT});
        return {errc::peer_down, origin::ofi, FI_ETIMEDOUT};
    }

    static completion end(op* o, error fault) {
        const bool failed = fault != error{};
        o->status = failed ? op_status::failed : op_status::done;
        o->fault = fault;
        return completion{.what = completion::kind::operation, .operation = o, .fault = fault};
    }
    // The provider is done with a slot. False: nobody waits for it.
    bool retire(send_slot* slot, error fault, completion& out) {
        op* o = std::exchange(slot->operation, nullptr);
        auto* e = peers_.find(slot->peer);
        if (e && e->generation == slot->generation && o) {
            e->link.work.finished(now_ns());
        }
        sends_.give(slot);
        if (!o) return false;
        out = end(o, fault);
        return true;
    }
    std::size_t take(const fi_cq_data_entry& entry, completion& out) {
        if ((entry.flags & FI_REMOTE_CQ_DATA) && !(entry.flags & FI_RECV)) {
            out = completion{.what = completion::kind::immediate, .immediate = static_cast<std::uint32_t>(entry.data)};
            return 1;
        }
        if (inbox_.owns(entry.op_context)) {
            inbox::letter l;
            if (!inbox_.take(entry.op_context, entry.len, l)) return 0;
            out = completion{.what = completion::kind::message, .peer = peer_of(l.incarnation), .message = l.message};
            return 1;
        }
        if (send_slot* s = sends_.of(entry.op_context)) return retire(s, {}, out);
        return 0;
    }
    std::size_t take_error(completion& out) {
        fi_cq_err_entry entry{};
        if (fi_cq_readerr(libfabric_.cq.get(), &entry, 0) != 1) return 0;
        if (inbox_.owns(entry.op_context)) {
            if (entry.err != FI_ECANCELED) inbox_.hold(entry.op_context);
            return 0;
        }
        send_slot* s = sends_.of(entry.op_context);
        if (!s) return 0;
        error fault = provider_error(entry.err);
        if (fault.code == errc::again) fault.code = errc::io; // a completion is final
        const peer_id peer = s->peer;
        const auto* e = peers_.find(peer);
        const bool same = e && e->generation == s->generation;
        const bool told = retire(s, fault, out);
        if (same && (fault.code == errc::peer_down || fault.code == errc::timed_out)) lose(peer, fault);
        return told;
    }
    void lose(peer_id peer, error why) {
        const error fault{errc::peer_down, origin::ofi, why.os_code};
        peers_.take_down(peer, fault);
        let_go(peer, fault);
    }
    // Ends every op of a peer for the user; the provider may keep the slots.
    void let_go(peer_id peer, error fault) {
        auto* e = peers_.find(peer);
        for (std::size_t i = 0; i < sends_.size(); ++i) {
            send_slot& s = sends_[i];
            if (!s.busy || !s.operation || s.peer != peer || !e || s.generation != e->generation) continue;
            const bool room = let_go_.push({std::exchange(s.operation, nullptr), fault});
            ASHLAR_ASSERT(room);
        }
        if (e) e->link.work = {};
    }
    void notice_stalls() {
        waiting_ = false;
        const std::int64_t now = now_ns();
        if (now < next_look_ns_) return;
        next_look_ns_ = now + look_after_peers_ns;
        for (std::size_t i = 0; i < peers_.capacity(); ++i) {
            auto& e = peers_[i];
            if (!e.up || !e.link.work.stalled(now, options_.stall_max.ns)) continue;
            lose({static_cast<std::uint32_t>(i)}, {errc::timed_out, origin::ofi, FI_ETIMEDOUT});
        }
    }

    // Closed from the last to the first: the endpoint before what it is bound to, memory last.
    options options_;
    info_handle info_;
    slot_pool<send_slot> sends_;
    fixed_array<std::byte> send_bytes_;
    opened libfabric_;
    pinned send_pin_;
    inbox inbox_;
    regions regions_;
    handle<fid_ep> ep_;
    peer_table<link> peers_;
    ring<finished> let_go_;
    address_blob address_;
    rest rest_;
    backlog none_free_{}; // how long no slot has been
    std::int64_t next_look_ns_ = 0;
    bool waiting_ = false; // something was refused since the last poll
};

static_assert(fabric::check_fabric<endpoint>() && fabric::readable<endpoint> && fabric::waitable<endpoint>);

} // namespace ashlar::inline v0::ofi
