// SPDX-License-Identifier: Apache-2.0
// core: the words that every other module speaks. Results and assertions, strong ids and units, storage number formats,
// containers with limits, wire bytes, hashes, seeded randomness, and the two seams that modules share without knowing
// each other: `paged_view` (written by kv, read by kernel) and `workers` (the caller's threads).
#pragma once

#include <ashlar/core/assert.hpp>
#include <ashlar/core/atomic.hpp>
#include <ashlar/core/bytes.hpp>
#include <ashlar/core/config.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/copy_nt.hpp>
#include <ashlar/core/crc32c.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/number.hpp>
#include <ashlar/core/paged_view.hpp>
#include <ashlar/core/quantity.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/scaled16.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/core/trace.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/core/version.hpp>
#include <ashlar/core/workers.hpp>
