// SPDX-License-Identifier: Apache-2.0
// The tensors that make a model of given facts, no more and no fewer: what each way in calls them, and their shapes.
//
//     for (const auto& each : support::tensors_of(facts)) … file.tensor(each.name), each.rows, each.columns
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ashlar/model/llama.hpp>

namespace ashlar::support {

struct model_tensor {
    std::string name;            // GGUF's: "blk.3.attn_q.weight"
    std::string checkpoint_name; // transformers': "model.layers.3.self_attn.q_proj.weight"; empty: computed, not stored
    std::uint64_t rows, columns; // one row: a vector
};

std::vector<model_tensor> tensors_of(const model::llama_facts& facts);

} // namespace ashlar::support
