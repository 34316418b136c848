// SPDX-License-Identifier: Apache-2.0
#include "kv_store.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include <sys/mman.h>

#include "link.hpp"

namespace serve {

namespace al = ashlar;
namespace kv = ashlar::kv;
using namespace al::literals;

namespace {

constexpr al::duration lease = 5_s, renew_every = 200_ms;

kv::geometry shape_of(const al::model::llama_facts& facts, std::uint32_t pool_mib) {
    kv_layout one{
        .shape = {.layers = facts.layers, .kv_heads = facts.kv_heads, .head_dim = facts.head_dim, .blocks = 1}};
    const std::size_t blocks = (std::size_t{pool_mib} << 20) / one.bytes();
    if (blocks == 0)
        throw std::runtime_error("--pool-mib " + std::to_string(pool_mib) + " holds not even one block of this model");
    one.shape.blocks = static_cast<std::uint32_t>(std::min<std::size_t>(blocks, 1u << 24));
    return one.shape;
}

} // namespace

kv_store::kv_store(const settings& how, al::sched::role as, const al::model::llama_facts& facts, al::key128 fleet_key,
                   const std::string& host)
    : fleet_key_(fleet_key), layout_{.shape = shape_of(facts, how.pool_mib)},
      when_{{.patience = 2_s, .pause = 1_s, .pause_max = 60_s}} {
    if (as != al::sched::role::unified) {
        carrier_ = how.fabric == "window"
                       ? open_window(layout_.bytes())
                       : open_ofi(how.fabric.size() > 4 ? how.fabric.substr(4) : std::string(), host, layout_.bytes());
        pool_ = carrier_->pool();
    } else {
        void* memory = ::mmap(nullptr, layout_.bytes(), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            throw std::runtime_error("no memory for a KV pool of " + std::to_string(how.pool_mib) +
                                     " MiB; start with a smaller --pool-mib");
        pool_ = {static_cast<std::byte*>(memory), layout_.bytes()};
    }
    const std::uint32_t context = std::min(how.context, facts.context);
    pages_.emplace(kv::cache_options{.pages = layout_.shape.blocks,
                                     .tokens_per_block = kv_layout::tokens_per_block,
                                     .sequences_max = how.sequences,
                                     .blocks_per_sequence_max = kv::blocks_for(context, kv_layout::tokens_per_block),
                                     .leases_max = 1024,
                                     .salt = random_key(),
                                     .prefix_caching = how.prefix_caching});
    attach();
    if (carrier_) others_.emplace(*carrier_);
}

void kv_store::attach() {
    do epoch_ = {random_word()};
    while (epoch_.value == 0);
    if (!carrier_) return;
    carrier_->attach(*pages_, layout_,
                     {.instance = {static_cast<std::uint32_t>(epoch_.value)}, .epoch = epoch_, .fleet_key = fleet_key_},
                     {.transfers_max = 256,
                      .writes_max = 256,
                      .peers_max = 64,
                      .lease = lease,
                      .renew_every = renew_every,
                      .resend_after = 20_ms,
                      .verify = true,
                      .pull = false});
}

void kv_store::poll(al::instant now) {
    if (!carrier_) return;
    carrier_->poll(now);
    if (now - last_tick_ >= (carrier_->idle() ? renew_every : 10_ms)) carrier_->tick(now), last_tick_ = now;
}

bool kv_store::must_reopen(al::instant now) {
    if (!carrier_) return false;
    if (carrier_->down_is_final()) return others_->find_lost(), false;
    return when_.due(now, others_->lost_one(), pages_->overdue({now.ns - 2 * lease.ns}));
}

void kv_store::reopen(al::instant now) {
    count(before_);
    carrier_->reopen();
    (void)pages_->fence_all();
    attach();
    others_->connect_anew();
    ++before_.reopened;
    when_.done(now);
}

void kv_store::count(wire::counters& into) const {
    const auto& blocks = pages_->counts();
    into.blocks_free = blocks.free + blocks.cached;
    into.blocks_quarantined = blocks.quarantined;
    into.blocks_leased = blocks.leased;
    if (!carrier_) return;
    const auto& now = carrier_->counters();
    into.transfers_done = before_.transfers_done + now.sent + now.received;
    into.transfers_failed = before_.transfers_failed + now.failed;
    into.bytes_sent = before_.bytes_sent + now.bytes_sent;
    into.blocks_sent = before_.blocks_sent + now.blocks_sent;
    into.bytes_received = before_.bytes_received + now.bytes_received;
    into.blocks_received = before_.blocks_received + now.blocks_received;
    into.checksum_failures = before_.checksum_failures + now.checksum_failures;
    into.tickets_refused = before_.tickets_refused + now.tickets_refused;
    into.epoch_mismatches = before_.epoch_mismatches + now.epoch_mismatches;
    into.reopened = before_.reopened;
}

} // namespace serve
