// SPDX-License-Identifier: Apache-2.0
// sim: a deterministic world. Virtual time, a network that is late, lossy and out of order by seed and models the same
// fabric concept as the real ones, and the check that a second run of a seed is the first again. Policies and protocols
// run here unchanged; only the loop around them is another. docs/sim.md says what is simulated and what is not.
//
//     ashlar::sim::network net({.seed = 7, .endpoints = 2, .operations = 64, .inbound = 64, .how = faults::rough()});
//     ashlar::sim::endpoint a(net), b(net);
#pragma once

#include <ashlar/sim/endpoint.hpp>
#include <ashlar/sim/fault.hpp>
#include <ashlar/sim/links.hpp>
#include <ashlar/sim/network.hpp>
#include <ashlar/sim/network_steps.hpp>
#include <ashlar/sim/port.hpp>
#include <ashlar/sim/run.hpp>
#include <ashlar/sim/timeline.hpp>
