// SPDX-License-Identifier: Apache-2.0
// A model as Hugging Face's tools save it, the second way in beside GGUF: a folder with config.json, model.safetensors
// or shards named by model.safetensors.index.json, tokenizer.json, and where they are there tokenizer_config.json,
// generation_config.json and chat_template.jinja. Tensors are asked for by their GGUF names. A model_source
// (model_file.hpp).
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

#include <ashlar/core/siphash.hpp>
#include <ashlar/kernel/weight.hpp>
#include <ashlar/model/llama.hpp>

#include <support/checkpoint_config.hpp>
#include <support/mapped_file.hpp>
#include <support/outcome.hpp>
#include <support/tokenizer.hpp>

namespace ashlar::support {

class checkpoint {
public:
    // Checks that exactly the tensors of config.json's model are there, in its shapes.
    static outcome<checkpoint> open(const std::string& folder);

    outcome<model::llama_facts> facts() const { return config_.facts; }
    outcome<kernel::weight_view> tensor(std::string_view gguf_name) const; // not_found
    outcome<tokenizer> words() const;
    outcome<std::string_view> chat_program() const; // chat_template.jinja's, or tokenizer_config.json's
    digest128 fingerprint() const;                  // of all its files but the weights
    std::size_t size() const;                       // bytes of all its safetensors files
    void release_pages() const;

private:
    friend class checkpoint_reader;
    std::string path_of(std::string_view file) const;
    fault in_file(std::string_view file, const fault& why) const;
    outcome<std::string_view> text(std::string_view file) const; // not_found: the folder has none

    std::string folder_;
    std::map<std::string, mapped_file, std::less<>> texts_;
    checkpoint_config config_;
    checkpoint_words words_;
    std::vector<mapped_file> shards_;
    std::vector<digest128> heads_; // of the shards' headers
    std::map<std::string, kernel::weight_view, std::less<>> weights_;
};

} // namespace ashlar::support
