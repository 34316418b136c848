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

#include <poll.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_rma.h>
#include <sys/random.h>
#include <time.h>

#include <ashlar/core/assert.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/fabric/peer_table.hpp>
#include <ashlar/ofi/address.hpp>
#include <ashlar/ofi/buffers.hpp>
#include <ashlar/ofi/handle.hpp>
#include <ashlar/ofi/provider.hpp>

namespace ashlar::inline v0::ofi {

using fabric::check_fabric;
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
using fabric::readable;
using fabric::region;
using fabric::remote_slice;
using fabric::waitable;

// Not for use from several threads.
class endpoint {
public:
    static constexpr bool computes_checksum = false;
    static constexpr std::size_t max_message = max_message_bytes;

    static result<endpoint> open(options o) {
        if (!o.operations || !o.receive_buffers || !o.peers || !o.regions) return {errc::invalid_argument, origin::ofi};
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
        for (std::size_t i = 0; i < regions_.size(); ++i) {
            if (regions_[i].at) continue;
            auto mr = pin(m.data, m.size);
            if (!mr) return mr.error();
            const std::uint64_t base =
                info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR ? reinterpret_cast<std::uintptr_t>(m.data) : 0;
            regions_[i] = std::move(*mr);
            return region{
                m.data, m.size, {base, fi_mr_key(regions_[i].at.get()), m.size}, regions_[i].serial << 16 | i};
        }
        return fail(errc::exhausted);
    }
    result<void> deregister_memory(const region& r) {
        pinned* p = find(r);
        if (!p) return fail(errc::not_found);
        return *p = {}, result<void>{};
    }

    std::span<const std::byte> address() const { return address_.bytes(); }
    // unsupported with os_code FI_EADDRNOTAVAIL: the peer uses another provider.
    result<peer_id> connect(std::span<const std::byte> address) {
        const auto a = address_blob::parse(address);
        if (!a) return a.error();
        if (a->provider() != provider()) return {errc::unsupported, origin::ofi, FI_EADDRNOTAVAIL};
        const peer_id known = peer_of(a->incarnation());
        if (known != peer_id::none()) return known;
        link l{.incarnation = a->incarnation()};
        const int rc = fi_av_insert(av_.get(), a->name(), 1, &l.at, 0, nullptr);
        if (rc != 1) return rc < 0 ? provider_error(rc) : fail(errc::invalid_argument);
        auto id = peers_.insert(l);
        if (!id) fi_av_remove(av_.get(), &l.at, 1, 0);
        return id;
    }
    peer_state state(peer_id peer) const { return peers_.state(peer); }
    void disconnect(peer_id peer) {
        auto* e = peers_.find(peer);
        if (!e) return;
        let_go(peer, fail(errc::cancelled));
        fi_av_remove(av_.get(), &e->link.at, 1, 0);
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
            return fi_send(ep_.get(), at, sizeof header + message.size(), descriptor(send_pin_), to, &slot->context);
        });
    }

    std::size_t poll(std::span<completion> out) {
        repost();
        notice_stalls();
        std::size_t n = 0;
        while (n < out.size() && peers_.report(out[n])) ++n;
        while (n < out.size() && !let_go_.empty()) {
            const finished f = let_go_.pop();
            out[n++] = end(f.operation, f.fault);
        }
        for (int round = 0; n < out.size() && round < 64; ++round) { // bounded, whatever a provider keeps saying
            fi_cq_data_entry entries[16];
            const ssize_t got = fi_cq_read(cq_.get(), entries, out.size() - n < 16 ? out.size() - n : 16);
            if (got == -FI_EAVAIL)
                n += take_error(out[n]);
            else if (got <= 0)
                break;
            for (ssize_t i = 0; i < got; ++i) n += take(entries[i], out[n]);
        }
        if (n == out.size()) fi_cq_read(cq_.get(), nullptr, 0); // progress is due also to who has no room for news
        if (n) idle_ns_ = idle_first_ns;
        return n;
    }

    // On the provider's file descriptor; a short nap where it has none, or where something was refused or is due.
    bool wait(duration max) {
        if (peers_.has_report() || !let_go_.empty()) return true;
        const std::int64_t room = max.ns < nap_ns ? max.ns : nap_ns;
        fid* watched[] = {&cq_->fid};
        int fd = -1;
        // Some providers (1.17 net, while data streams in) say again and again that there is news where there is none:
        // who was woken for nothing naps, longer and longer, and then asks again. Computing threads need the core.
        const bool asks = idle_ns_ == idle_first_ns || idle_ns_ == idle_last_ns;
        const bool sleeps = has_fd_ && !waiting_ && asks && fi_control(&cq_->fid, FI_GETWAIT, &fd) == 0;
        if (sleeps && fi_trywait(fabric_.get(), watched, 1) == 0) {
            pollfd p{fd, POLLIN, 0};
            if (::poll(&p, 1, static_cast<int>((room + 999'999) / 1'000'000)) == 0) return false;
            idle_ns_ = idle_first_ns * 2; // until a poll brings something
            return true;
        }
        const std::int64_t nap = room < idle_ns_ ? room : idle_ns_;
        idle_ns_ = idle_ns_ * 2 < idle_last_ns ? idle_ns_ * 2 : idle_last_ns;
        const timespec span{0, static_cast<long>(nap > 0 ? nap : 0)};
        ::nanosleep(&span, nullptr);
        return true;
    }

private:
    static constexpr std::int64_t pause_ns = 500'000'000, nap_ns = 250'000'000, idle_first_ns = 50'000,
                                  idle_last_ns = 2'000'000;

    struct link {
        fi_addr_t at = FI_ADDR_UNSPEC;
        std::uint64_t incarnation = 0;
        std::uint32_t pending = 0;
        std::int64_t since_ns = 0;   // when it last took or finished something while there was something to do; 0: idle
        std::int64_t refused_ns = 0; // when a post was last refused
    };
    struct pinned {
        handle<fid_mr> at;
        std::uint64_t serial = 0;
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
        : options_(o), info_(std::move(info)), sends_(o.operations), receives_(o.receive_buffers),
          send_bytes_(o.operations * message_room), receive_bytes_(o.receive_buffers * message_room),
          regions_(o.regions), peers_(o.peers), let_go_(o.operations), held_(o.receive_buffers) {}

    static error fail(errc code) { return {code, origin::ofi}; }
    static std::int64_t now_ns() {
        timespec t{};
        ::clock_gettime(CLOCK_MONOTONIC, &t);
        return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    }

    result<void> set_up() {
        if (int rc = fi_fabric(info_->fabric_attr, fabric_.put(), nullptr)) return provider_error(rc);
        if (int rc = fi_domain(fabric_.get(), info_.get(), domain_.put(), nullptr)) return provider_error(rc);
        fi_av_attr av{};
        av.type = info_->domain_attr->av_type == FI_AV_UNSPEC ? FI_AV_TABLE : info_->domain_attr->av_type;
        if (int rc = fi_av_open(domain_.get(), &av, av_.put(), nullptr)) return provider_error(rc);
        fi_cq_attr cq{};
        cq.format = FI_CQ_FORMAT_DATA;
        cq.size = 2 * (sends_.size() + receives_.size()) + 1024;
        cq.wait_obj = FI_WAIT_FD;
        has_fd_ = fi_cq_open(domain_.get(), &cq, cq_.put(), nullptr) == 0;
        if (!has_fd_) {
            cq.wait_obj = FI_WAIT_NONE;
            if (int rc = fi_cq_open(domain_.get(), &cq, cq_.put(), nullptr)) return provider_error(rc);
        }
        if (int rc = fi_endpoint(domain_.get(), info_.get(), ep_.put(), nullptr)) return provider_error(rc);
        if (int rc = fi_ep_bind(ep_.get(), &av_->fid, 0)) return provider_error(rc);
        if (int rc = fi_ep_bind(ep_.get(), &cq_->fid, FI_TRANSMIT | FI_RECV)) return provider_error(rc);
        if (int rc = fi_enable(ep_.get())) return provider_error(rc);

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

        auto sends = pin(send_bytes_.data(), send_bytes_.size());
        if (!sends) return sends.error();
        send_pin_ = std::move(*sends);
        auto receives = pin(receive_bytes_.data(), receive_bytes_.size());
        if (!receives) return receives.error();
        receive_pin_ = std::move(*receives);
        for (std::size_t i = 0; i < receives_.size(); ++i) (void)held_.push_back(static_cast<std::uint32_t>(i));
        while (receives_.take()) {
        }
        return repost(), result<void>{};
    }
    result<pinned> pin(std::byte* data, std::size_t size) {
        pinned p;
        p.serial = ++serial_;
        const std::uint64_t access = FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
        if (int rc = fi_mr_reg(domain_.get(), data, size, access, 0, p.serial, 0, p.at.put(), nullptr))
            return provider_error(rc);
        if (info_->domain_attr->mr_mode & FI_MR_ENDPOINT) {
            if (int rc = fi_mr_bind(p.at.get(), &ep_->fid, 0)) return provider_error(rc);
            if (int rc = fi_mr_enable(p.at.get())) return provider_error(rc);
        }
        return p;
    }
    static void* descriptor(const pinned& p) { return fi_mr_desc(p.at.get()); }
    pinned* find(const region& r) {
        const std::size_t i = r.handle & 0xffff;
        return i < regions_.size() && regions_[i].at && regions_[i].serial == r.handle >> 16 ? &regions_[i] : nullptr;
    }
    peer_id peer_of(std::uint64_t incarnation) const {
        return peers_.find_if([&](const link& l) { return l.incarnation == incarnation; });
    }

    template <class Call>
    result<void> move(peer_id peer, const local_slice& here, const remote_slice& there, op& o, Call&& call) {
        if (auto e = peers_.usable(peer); !e) return e.error();
        if (!in_bounds(here, there)) return fail(errc::out_of_range);
        const pinned* p = here.size ? find(*here.in) : &send_pin_; // nothing is sent from somewhere valid
        if (!p) return fail(errc::invalid_argument);
        std::byte* at = here.size ? here.in->data + here.offset : send_bytes_.data();
        return post(peer, o, [&](fi_addr_t to, send_slot* slot) {
            return call(job{at, descriptor(*p), to, there.in.base + there.offset, &slot->context});
        });
    }
    template <class Call>
    result<void> post(peer_id peer, op& o, Call&& call) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        auto e = peers_.usable(peer);
        if (!e) return e.error();
        link& l = (*e)->link;
        send_slot* slot = let_go_.size() < let_go_.capacity() ? sends_.take() : nullptr;
        if (!slot) return waiting_ = true, error{errc::again, origin::ofi};
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
        if (l.pending++ == 0 || l.refused_ns) l.since_ns = now_ns(), l.refused_ns = 0;
        return {};
    }
    // With nothing pending, a peer stalls when every post for so long was refused; after a pause the count begins anew.
    result<void> again(peer_id peer, link& l) {
        waiting_ = true;
        const std::int64_t now = now_ns();
        const bool anew = now - std::exchange(l.refused_ns, now) > pause_ns;
        if (l.pending == 0 && (l.since_ns == 0 || anew)) l.since_ns = now;
        if (now - l.since_ns < options_.stall_max.ns) return {errc::again, origin::ofi, FI_EAGAIN};
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
            link& l = e->link;
            l.since_ns = --l.pending ? now_ns() : 0;
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
        if (receive_slot* r = receives_.of(entry.op_context)) return take_message(receives_.index(r), entry.len, out);
        if (send_slot* s = sends_.of(entry.op_context)) return retire(s, {}, out);
        return 0;
    }
    std::size_t take_message(std::size_t i, std::size_t length, completion& out) {
        const std::byte* at = receive_bytes_.data() + i * message_room;
        (void)held_.push_back(static_cast<std::uint32_t>(i)); // the caller may read it until the next poll
        message_header header;
        std::memcpy(&header, at, sizeof header);
        if (length < sizeof header || length > message_room || header.magic != message_header::magic_number ||
            header.size == 0 || header.size != length - sizeof header) {
            return 0; // whoever that was does not speak our language
        }
        out = completion{.what = completion::kind::message,
                         .peer = peer_of(header.incarnation),
                         .message = {at + sizeof header, header.size}};
        return 1;
    }
    std::size_t take_error(completion& out) {
        fi_cq_err_entry entry{};
        if (fi_cq_readerr(cq_.get(), &entry, 0) != 1) return 0;
        if (receive_slot* r = receives_.of(entry.op_context)) {
            if (entry.err != FI_ECANCELED) (void)held_.push_back(static_cast<std::uint32_t>(receives_.index(r)));
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
    void repost() {
        for (std::size_t n = held_.size(); n > 0; --n) {
            const std::uint32_t i = held_[n - 1];
            if (fi_recv(ep_.get(), receive_bytes_.data() + i * message_room, message_room, descriptor(receive_pin_),
                        FI_ADDR_UNSPEC, &receives_[i].context) != 0)
                return; // full: at the next poll
            held_.pop_back();
        }
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
        if (e) e->link.pending = 0, e->link.since_ns = 0;
    }
    void notice_stalls() {
        if (!std::exchange(waiting_, false) && ++quiet_polls_ % 64 != 0) return;
        const std::int64_t now = now_ns();
        for (std::size_t i = 0; i < peers_.capacity(); ++i) {
            auto& e = peers_[i];
            if (!e.up || e.link.pending == 0 || now - e.link.since_ns < options_.stall_max.ns) continue;
            lose({static_cast<std::uint32_t>(i)}, {errc::timed_out, origin::ofi, FI_ETIMEDOUT});
        }
    }

    // Closed from the last to the first: the endpoint before what it is bound to, memory last.
    options options_;
    info_handle info_;
    slot_pool<send_slot> sends_;
    slot_pool<receive_slot> receives_;
    fixed_array<std::byte> send_bytes_, receive_bytes_;
    handle<fid_fabric> fabric_;
    handle<fid_domain> domain_;
    handle<fid_av> av_;
    handle<fid_cq> cq_;
    pinned send_pin_, receive_pin_;
    fixed_array<pinned> regions_;
    handle<fid_ep> ep_;
    peer_table<link> peers_;
    ring<finished> let_go_;
    bounded_vector<std::uint32_t> held_; // receive slots to be posted again at the next poll
    address_blob address_;
    std::uint64_t serial_ = 0;
    std::int64_t idle_ns_ = idle_first_ns;
    std::uint32_t quiet_polls_ = 0;
    bool has_fd_ = false;
    bool waiting_ = false; // something was refused since the last poll
};

static_assert(check_fabric<endpoint>() && readable<endpoint> && waitable<endpoint>);

} // namespace ashlar::inline v0::ofi
