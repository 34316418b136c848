// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: of::token>
// expect: of::request>
#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>
#include <ashlar/plan/roofline.hpp>

using namespace ashlar::literals;
using namespace ashlar::plan;

constexpr step_time right = decode_step(catalog::step3, catalog::h20, 128_requests, 8192_tokens, stored::fp8);
#if !defined(ASHLAR_ACCEPT)
constexpr step_time wrong = decode_step(catalog::step3, catalog::h20, 128_tokens, 8192_tokens, stored::fp8);
#endif
