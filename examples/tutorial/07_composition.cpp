// SPDX-License-Identifier: Apache-2.0
// Tutorial 7: an engine is types put together at compile time; the policy is another. This one computes a batch that
// the scheduler wants and sends each layer on as it is done. examples/serve is the same with sockets around it.
#include <type_traits>

#include <ashlar/fabric.hpp>
#include <ashlar/kv.hpp>
#include <ashlar/model.hpp>
#include <ashlar/sched.hpp>

//! [composition]
namespace al = ashlar;

using cache  = al::kv::block_first<al::f16, al::kv::tokens<16>>;             // a layout is a type
using engine = al::model::decoder<al::model::llama, al::kernel::cpu, cache>; // so is what runs on it
using policy = al::sched::pd<al::sched::shortest_queue_least_kv, al::sched::chunked_batcher>;

// A prefill engine over any fabric: computes a chunk, and KV leaves for the decode side layer by layer meanwhile.
template <al::fabric::fabric Net, al::workers Threads>
struct prefill_engine {
    engine& llm;
    cache layout;
    std::byte* pool;
    al::kv::mover<Net, cache>& mover;
    Threads& threads;

    // A chunk that wants logits is the prompt's last: its last block may be partial, and goes too.
    al::result<void> compute(const al::model::slice& chunk, al::transfer_id transfer, al::instant now) {
        const std::uint32_t size = cache::tokens_per_block, first = chunk.position / size;
        const std::uint32_t end = chunk.position + static_cast<std::uint32_t>(chunk.tokens.size());
        const std::uint32_t blocks = (chunk.logits ? al::kv::blocks_for(end, size) : end / size) - first;
        return llm.forward({&chunk, 1}, layout, pool, threads, [&](al::layer_id layer) {
            (void)mover.layer_ready(transfer, layer, first, blocks); // what fails is told by the transfer's event
            mover.poll(now);
        });
    }
};
//! [composition]

template struct prefill_engine<al::fabric::loopback, al::serial_workers>;
template struct prefill_engine<al::fabric::window, al::serial_workers>;
static_assert(std::is_constructible_v<policy, al::sched::pd_options>);

int main() {}
