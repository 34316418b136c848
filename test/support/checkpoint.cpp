// SPDX-License-Identifier: Apache-2.0
// golden.models reads whole checkpoints of transformers; here is what must be refused.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include <support/checkpoint.hpp>

using namespace ashlar;
using support::checkpoint;
using support::checkpoint_config;

namespace {

std::string config(const std::string& more = "", const std::string& type = "llama") {
    return R"({"model_type":")" + type +
           R"(","num_hidden_layers":1,"hidden_size":32,"intermediate_size":48,"num_attention_heads":2,)"
           R"("num_key_value_heads":1,"vocab_size":5,"max_position_embeddings":64,"rms_norm_eps":1e-5)" +
           more + "}";
}

errc refused(const std::string& text) {
    const auto read = checkpoint_config::parse(text);
    REQUIRE_FALSE(read);
    CHECK(read.fault().sentence.size() > 10);
    return read.fault().what.code;
}

// A folder of its own, gone afterwards.
struct folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("ashlar-test-" + std::to_string(::getpid()));
    folder() { std::filesystem::create_directories(path); }
    ~folder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& bytes) const {
        std::ofstream(path / name, std::ios::binary) << bytes;
    }
    // One F32 tensor of 32 ones.
    void shard(const std::string& name, const std::string& tensor) const {
        const std::string header = "{\"" + tensor + R"(":{"dtype":"F32","shape":[32],"data_offsets":[0,128]}})";
        const std::uint64_t length = header.size();
        std::string bytes(8, '\0');
        std::memcpy(bytes.data(), &length, 8);
        bytes += header;
        for (int i = 0; i < 32; ++i) bytes += std::string("\0\0\x80\x3f", 4);
        write(name, bytes);
    }
    support::fault fault() const {
        const auto opened = checkpoint::open(path.string());
        REQUIRE_FALSE(opened);
        return opened.fault();
    }
};

} // namespace

TEST_CASE("config.json says what there is to know, whichever way rotation is written") {
    const auto plain = checkpoint_config::parse(config());
    REQUIRE(plain);
    CHECK(plain->facts.head_dim == 16);
    CHECK(plain->facts.rope_base == 10000);
    CHECK(plain->facts.rope_halves);
    CHECK_FALSE(plain->facts.tied_head);
    CHECK_FALSE(plain->facts.rope_factors);
    const std::string scaling = R"("rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,)"
                                R"("original_max_position_embeddings":16)";
    const auto before = checkpoint_config::parse(config(R"(,"rope_theta":500000.0,"rope_scaling":{)" + scaling + "}"));
    const auto since =
        checkpoint_config::parse(config(R"(,"rope_parameters":{"rope_theta":500000.0,)" + scaling + "}"));
    REQUIRE(before);
    REQUIRE(since);
    CHECK(before->facts.rope_base == 500000);
    CHECK(since->facts.rope_base == 500000);
    REQUIRE(before->rope_factors.size() == 8);
    CHECK(before->rope_factors == since->rope_factors);
    CHECK(before->rope_factors.front() > 1); // 2 pi positions: between 16 / 4 and 16 / 1
    CHECK(before->rope_factors.front() < 8);
    CHECK(before->rope_factors.back() == 8);
    const auto qwen = checkpoint_config::parse(config(R"(,"tie_word_embeddings":true,"rope_scaling":null)", "qwen2"));
    REQUIRE(qwen);
    CHECK(qwen->facts.qkv_bias);
    CHECK(qwen->facts.tied_head);
    const auto normed = checkpoint_config::parse(config(R"(,"head_dim":128)", "qwen3"));
    REQUIRE(normed);
    CHECK(normed->facts.qk_norm);
    CHECK(normed->facts.head_dim == 128);
}

TEST_CASE("what would change the answer and is not computed is refused, as is what cannot be") {
    for (const char* more :
         {R"(,"hidden_act":"gelu")", R"(,"attention_bias":true)", R"(,"mlp_bias":true)",
          R"(,"use_sliding_window":true)", R"(,"layer_types":["sliding_attention"])", R"(,"quantization_config":{})",
          R"(,"rope_scaling":{"type":"yarn","factor":4.0})", R"(,"rope_parameters":{"partial_rotary_factor":0.5})"})
        CHECK(refused(config(more)) == errc::unsupported);
    CHECK(refused(config("", "mixtral")) == errc::unsupported);
    CHECK(refused("{}") == errc::unsupported);
    for (const char* more : {R"(,"head_dim":15)", R"(,"head_dim":-16)", R"(,"head_dim":"16")", R"(,"rope_theta":-1)",
                             R"(,"rope_theta":1e60)", R"(,"rope_scaling":7)", R"(,"tie_word_embeddings":1)",
                             R"(,"hidden_act":3)", R"(,"rope_scaling":{"rope_type":"llama3"})",
                             R"(,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":4.0,)"
                             R"("high_freq_factor":4.0,"original_max_position_embeddings":16})"})
        CHECK(refused(config(more)) == errc::invalid_argument);
    CHECK(refused(config("", "qwen3")) == errc::invalid_argument); // heads of no stated width
    const std::string whole = config();
    for (std::size_t size = 0; size < whole.size(); ++size) CHECK(refused(whole.substr(0, size)) == errc::corrupt);
    for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "rms_norm_eps"}) {
        std::string without = whole;
        without.replace(without.find(key), 1, "x");
        CHECK(refused(without) == errc::invalid_argument);
    }
}

TEST_CASE("an index leads to files of its own folder only") {
    const auto shards = [](const std::string& file) {
        return support::shards_of_index("{\"weight_map\":{\"t\":" + file + "}}");
    };
    REQUIRE(shards("\"a.safetensors\""));
    CHECK(shards("\"a.safetensors\"")->at("t") == "a.safetensors");
    for (const char* bad : {"\"../a.safetensors\"", "\"/etc/a.safetensors\"", "\"a\\\\b.safetensors\"", "\"a.bin\"",
                            "7", "\"a\\u0000.safetensors\"", "null"}) {
        const auto read = shards(bad);
        REQUIRE_FALSE(read);
        CHECK(read.fault().what.code == errc::corrupt);
    }
    for (const char* bad : {"", "[]", "{}", R"({"weight_map":{}})", R"({"weight_map":[]})"})
        CHECK_FALSE(support::shards_of_index(bad));
}

TEST_CASE("tensors have GGUF's names, where the facts ask for them") {
    model::llama_facts f{};
    f.layers = 12;
    CHECK(support::gguf_name("model.layers.11.mlp.gate_proj.weight", f) == "blk.11.ffn_gate.weight");
    CHECK(support::gguf_name("lm_head.weight", f) == "output.weight");
    for (const char* name :
         {"model.layers.12.mlp.gate_proj.weight", "model.layers.-1.mlp.gate_proj.weight",
          "model.layers..mlp.gate_proj.weight", "model.layers.99999999999.mlp.gate_proj.weight",
          "model.layers.0.self_attn.q_proj.bias", "model.layers.0.self_attn.o_proj.bias", "", "model"})
        CHECK(support::gguf_name(name, f).empty());
    f.qkv_bias = true;
    CHECK(support::gguf_name("model.layers.0.self_attn.q_proj.bias", f) == "blk.0.attn_q.bias");
}

TEST_CASE("a folder of shards must hold what its index promises, no more and no less") {
    const folder here;
    CHECK(here.fault().what.code == errc::io); // no config.json
    here.write("config.json", config());
    CHECK(here.fault().what.code == errc::io); // no weights
    here.shard("model.safetensors", "model.norm.weight");
    const auto one = checkpoint::open(here.path.string());
    REQUIRE(one);
    const auto norm = one->tensor("output_norm.weight");
    REQUIRE(norm);
    CHECK(kernel::element(*norm, 0, 31) == 1);
    CHECK(one->tensor("blk.0.attn_norm.weight").fault().what.code == errc::not_found);
    CHECK(one->size() > 128);

    const std::string index = "model.safetensors.index.json";
    here.write(index, R"({"weight_map":{"model.norm.weight":"a.safetensors",)"
                      R"("model.layers.0.input_layernorm.weight":"b.safetensors"}})");
    CHECK(here.fault().what.code == errc::io); // no shards
    here.shard("a.safetensors", "model.norm.weight");
    here.shard("b.safetensors", "model.layers.0.input_layernorm.weight");
    const auto two = checkpoint::open(here.path.string());
    REQUIRE(two);
    CHECK(two->tensor("blk.0.attn_norm.weight"));
    CHECK(two->tensor("output_norm.weight"));
    here.shard("b.safetensors", "model.norm.weight");
    CHECK(here.fault().sentence.find("the index does not put there") != std::string::npos);
    here.write("b.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
    CHECK(here.fault().sentence.find("which the index puts there") != std::string::npos);
    std::filesystem::remove(here.path / index);
    here.shard("model.safetensors", "model.layers.0.self_attn.q_proj.bias");
    CHECK(here.fault().what.code == errc::unsupported); // a Llama has none
}
