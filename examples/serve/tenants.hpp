// SPDX-License-Identifier: Apache-2.0
// Who has room in an engine: attempts of requests, from `reserve` until their pages may be given back, with the
// transfers that bring their KV or take it away. Which pages a request gets is kv::cache's decision, which transfer may
// touch them kv::mover's, when they may be given back sched::tenancy's; what comes of it goes to the router.
//
//     tenants all(kv, grammars, line);
//     all.reserve(frame);   all.admit_ready();   all.hear_transfers(true);   all.release(request, attempt);
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/kv/transfer.hpp>
#include <ashlar/sched/tenancy.hpp>

#include "constraint.hpp"
#include "kv_store.hpp"
#include "link.hpp"
#include "wire.hpp"

namespace serve {

// One attempt of one request on this engine.
struct tenant {
    ashlar::request_id request;
    std::uint32_t attempt = 0;
    ashlar::request_id key; // in the cache and in transfers: another one for every attempt
    ashlar::sched::tenancy stay;
    std::vector<ashlar::token_id> tokens; // whose KV is here, or is to be computed here
    wire::sampling how;
    std::optional<constraint> rule{};
    std::optional<ashlar::transfer_id> transfer; // in flight
    bool pushes = false;                         // its pages go out layer by layer
};

class tenants {
public:
    tenants(kv_store& kv, constraints& grammars, link& line) : kv_(kv), grammars_(grammars), line_(line) {}

    tenant* find(ashlar::request_id request, std::uint32_t attempt);

    // False: the frame makes no sense. The router hears `reserved` or `reserve_failed`; of one with a grammar when that
    // has been compiled.
    bool reserve(wire::reserve& frame);
    void admit_ready();                                // those whose grammar has been compiled
    bool waiting() const { return !waiting_.empty(); } // for a grammar
    void release(ashlar::request_id request, std::uint32_t attempt);

    // What transfers say; true: something that the router should hear of at once. `all`: nothing is being computed, so
    // that tenants may leave.
    bool hear_transfers(bool all);
    void call_off_transfers(); // and lets writes that are under way end before their pages are anybody's again
    void evict_all();          // nobody waits for any of them

private:
    using map = std::unordered_map<std::uint64_t, tenant>; // by key
    struct unready {
        wire::reserve asked;
        constraints::asked grammar;
    };

    void refuse(const wire::reserve& frame, ashlar::error why);
    void admit(wire::reserve& frame, std::optional<constraint> rule);
    // The transfer of a tenant that has its pages: what a ticket grants, or what is sent under one.
    ashlar::result<void> begin_transfer(tenant& one, const wire::reserve& frame, wire::reserved& answer);
    map::iterator leave_if_over(map::iterator it);
    void settle();

    kv_store& kv_;
    constraints& grammars_;
    link& line_;
    map all_;
    std::unordered_map<std::uint64_t, unready> waiting_; // by key
    std::deque<ashlar::kv::transfer_event> over_;
};

} // namespace serve
