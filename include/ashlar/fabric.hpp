// SPDX-License-Identifier: Apache-2.0
// fabric: what a network is. Memory is registered and becomes a region; a peer that was told the region writes into it;
// a 32-bit immediate tells the owner that a write is complete; small messages carry control; everything is polled, an
// operation is a struct of the caller, nothing calls back. `loopback` joins endpoints of one thread, `window` processes
// of one host through shared memory; `ofi` (libfabric) and `sim` (the deterministic world) model the same concept.
#pragma once

#include <ashlar/fabric/concepts.hpp>
#include <ashlar/fabric/finished_ops.hpp>
#include <ashlar/fabric/loopback.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/fabric/op.hpp>
#include <ashlar/fabric/peer_table.hpp>
#include <ashlar/fabric/process.hpp>
#include <ashlar/fabric/shared_memory.hpp>
#include <ashlar/fabric/shared_ring.hpp>
#include <ashlar/fabric/window.hpp>
#include <ashlar/fabric/window_lanes.hpp>
#include <ashlar/fabric/window_layout.hpp>
#include <ashlar/fabric/window_link.hpp>
#include <ashlar/fabric/window_memory.hpp>
