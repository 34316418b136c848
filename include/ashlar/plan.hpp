// SPDX-License-Identifier: Apache-2.0
// plan: model and hardware put together before anything is built. Models, devices and topologies are values; every
// formula is one constexpr function on them; types are one-line wrappers. So the compiler, a command line and a
// scheduler at run time compute the same numbers from the same code.
//
//     using namespace ashlar::literals;
//     constexpr auto cost = plan::cost_per_token(catalog::step3, catalog::h20, catalog::h800, 8192_tokens);
//     static_assert(per_million(cost.total()) < 0.06_usd);
#pragma once

#include <ashlar/plan/afd.hpp>
#include <ashlar/plan/attention.hpp>
#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>
#include <ashlar/plan/catalog_racks.hpp>
#include <ashlar/plan/colocated.hpp>
#include <ashlar/plan/cost.hpp>
#include <ashlar/plan/cp.hpp>
#include <ashlar/plan/design.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/ffn.hpp>
#include <ashlar/plan/model.hpp>
#include <ashlar/plan/moe.hpp>
#include <ashlar/plan/number.hpp>
#include <ashlar/plan/phase_map.hpp>
#include <ashlar/plan/pipeline.hpp>
#include <ashlar/plan/precision.hpp>
#include <ashlar/plan/prefill.hpp>
#include <ashlar/plan/rack.hpp>
#include <ashlar/plan/ratio.hpp>
#include <ashlar/plan/roofline.hpp>
#include <ashlar/plan/stage.hpp>
#include <ashlar/plan/topology.hpp>
