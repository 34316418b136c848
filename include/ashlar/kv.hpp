// SPDX-License-Identifier: Apache-2.0
// kv: the memory of a served model. Pages in a pool, laid out as a type says; sequences as runs of pages; an index of
// prefixes that are still there; and the transfer of a prompt's pages from the engine that computes them to the engine
// that decodes with them, layer by layer, under tickets, leases and checksums.
//
//     kv::cache pages(options);                                   // decides which page is whose
//     kv::mover<fabric::loopback, layout> mover(net, pages, ...); // moves pages between engines
#pragma once

#include <ashlar/kv/allocator.hpp>
#include <ashlar/kv/block_table.hpp>
#include <ashlar/kv/cache.hpp>
#include <ashlar/kv/cache_leases.hpp>
#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/channel.hpp>
#include <ashlar/kv/cost_aware.hpp>
#include <ashlar/kv/eviction.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/kv/lease.hpp>
#include <ashlar/kv/ledger.hpp>
#include <ashlar/kv/page_table.hpp>
#include <ashlar/kv/plan.hpp>
#include <ashlar/kv/pool.hpp>
#include <ashlar/kv/prefix_index.hpp>
#include <ashlar/kv/prefix_tree.hpp>
#include <ashlar/kv/radix_index.hpp>
#include <ashlar/kv/receiver.hpp>
#include <ashlar/kv/s3_fifo.hpp>
#include <ashlar/kv/sender.hpp>
#include <ashlar/kv/slru.hpp>
#include <ashlar/kv/ticket.hpp>
#include <ashlar/kv/transfer.hpp>
#include <ashlar/kv/transfer_begin.hpp>
#include <ashlar/kv/transfer_heard.hpp>
#include <ashlar/kv/transfer_options.hpp>
#include <ashlar/kv/transfer_steps.hpp>
#include <ashlar/kv/wire.hpp>
