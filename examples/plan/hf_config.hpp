// SPDX-License-Identifier: Apache-2.0
// A model from the config.json that Hugging Face's transformers wrote. What the file asks for and a descriptor cannot
// say is refused; nothing is guessed but the defaults that transformers itself has.
//
//     const loaded_model m = read_hf_config(text, "config.json", "my-model");
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <ashlar/plan.hpp>

#include "words.hpp"

namespace planner {

struct loaded_model {
    plan::model shape{};
    plan::precision weights = plan::stored::bf16; // from quantization_config, else torch_dtype
    std::string source;
};

// `file` names the text in what is said about it. Throws bad_input.
loaded_model read_hf_config(std::string_view text, const std::string& file, std::string_view name);

// The values of model_type that are understood.
std::span<const std::string> hf_model_types();

} // namespace planner
