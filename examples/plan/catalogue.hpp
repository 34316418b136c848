// SPDX-License-Identifier: Apache-2.0
// Models and devices by name: those of the library's catalogue, or a file of the user's own in the same place.
//
//     find_model("step3")   find_model("./config.json")   find_device("h20")   find_device("mine.toml")
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <ashlar/plan.hpp>

#include "hf_config.hpp"
#include "words.hpp"

namespace planner {

struct named_model {
    std::string name;
    const plan::model* shape;
};
struct named_device {
    std::string name;
    const plan::device* device;
};
std::span<const named_model> all_models();
std::span<const named_device> all_devices();

// A name of the catalogue, or a file: what ends in .json or .toml, or holds a slash. Throws bad_input.
loaded_model find_model(const std::string& name);
plan::device find_device(const std::string& name);

} // namespace planner
