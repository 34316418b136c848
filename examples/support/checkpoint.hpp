// SPDX-License-Identifier: Apache-2.0
// A model as Hugging Face's tools save it, the second way in beside GGUF: a folder with config.json and
// model.safetensors, or shards named by model.safetensors.index.json. Tensors are asked for by their GGUF names.
//
//     auto model = support::checkpoint::open("Qwen2.5-0.5B-Instruct");
//     auto facts = model->facts();   auto weights = model->tensor("blk.0.attn_q.weight");   // views into the mapping
//
// Thread-safe once open.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/kernel/weight.hpp>
#include <ashlar/model/llama.hpp>

#include <support/mapped_file.hpp>
#include <support/outcome.hpp>

namespace ashlar::support {

// config.json of a Llama, Qwen2 or Qwen3. What would change the answer and is not computed is refused, never ignored.
struct checkpoint_config {
    model::llama_facts facts;
    std::vector<float> rope_factors; // head_dim / 2 of them where facts.rope_factors, what divides each frequency

    static outcome<checkpoint_config> parse(std::string_view json);
};

// Which shard holds which tensor, from model.safetensors.index.json. Shards are files of the same folder.
outcome<std::map<std::string, std::string>> shards_of_index(std::string_view json);

// "model.layers.3.self_attn.q_proj.weight" as GGUF calls it, or nothing if a model of these facts has no such tensor.
std::string gguf_name(std::string_view name, const model::llama_facts& facts);

class checkpoint {
public:
    static outcome<checkpoint> open(const std::string& folder);

    outcome<model::llama_facts> facts() const { return config_.facts; }
    outcome<kernel::weight_view> tensor(std::string_view gguf_name) const; // not_found, or what weights() refuses
    std::size_t size() const;                                              // bytes of all its safetensors files
    void release_pages() const;

private:
    checkpoint_config config_;
    std::vector<mapped_file> files_;
    std::map<std::string, kernel::weight_view, std::less<>> weights_;
};

} // namespace ashlar::support
