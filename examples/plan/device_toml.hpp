// SPDX-License-Identifier: Apache-2.0
// A device from a TOML file. Every number carries its unit, every file its source and month, as in the catalogue; a key
// that is not known is an error, so that a typing error is no silent default.
//
//     name = "H20"                        [dense_tflops]            [link]
//     source = "Step-3 report, Table 4"   bf16 = 148                scale_up = "900 GB/s both ways"
//     as_of = "2025-07"                   fp8 = 296                 scale_up_size = 8
//     status = "shipping"                 [memory]                  scale_out = "400 Gbps"
//     price = "0.80 USD/h"                size = "96 GB"
//     power = "400 W"                     bandwidth = "4 TB/s"
#pragma once

#include <string>
#include <string_view>

#include <ashlar/plan.hpp>

#include "words.hpp"

namespace planner {

// `file` names the text in what is said about it, with the line. Throws bad_input.
plan::device read_device(std::string_view text, const std::string& file);

} // namespace planner
