// SPDX-License-Identifier: Apache-2.0
// sched: serving schedules as values. `pd` owns every decision about a request, from arrival to its one end: admission,
// where it prefills and decodes, what goes into each batch, retries, deadlines, cancellation. It is told events and
// returns actions; the edge around it moves bytes and decides nothing. A log of (time, event, actions) replays to the
// identical actions. docs/sched.md has the states, the order of messages and what an edge must do.
//
//     ashlar::sched::pd<> policy{options};
//     ashlar::sched::actions out(policy.actions_max());
//     policy.step(event, now, out);
#pragma once

#include <ashlar/sched/action.hpp>
#include <ashlar/sched/admission.hpp>
#include <ashlar/sched/attendance.hpp>
#include <ashlar/sched/batcher.hpp>
#include <ashlar/sched/chain.hpp>
#include <ashlar/sched/codec.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/fleet.hpp>
#include <ashlar/sched/invariants.hpp>
#include <ashlar/sched/lifecycle.hpp>
#include <ashlar/sched/log.hpp>
#include <ashlar/sched/membership.hpp>
#include <ashlar/sched/options.hpp>
#include <ashlar/sched/pd.hpp>
#include <ashlar/sched/registration.hpp>
#include <ashlar/sched/reopening.hpp>
#include <ashlar/sched/replay.hpp>
#include <ashlar/sched/request_table.hpp>
#include <ashlar/sched/router.hpp>
#include <ashlar/sched/tenancy.hpp>
