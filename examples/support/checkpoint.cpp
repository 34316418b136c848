// SPDX-License-Identifier: Apache-2.0
#include <support/checkpoint.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <optional>
#include <utility>

#include <support/json.hpp>
#include <support/safetensors.hpp>

namespace ashlar::support {
namespace {

using nlohmann::json;

// Reads config.json; the first failure sticks. Names are those of transformers' LlamaConfig, Qwen2Config, Qwen3Config.
class config_reader {
public:
    explicit config_reader(const json& config) : config_(config) {}

    outcome<checkpoint_config> run() {
        const std::string type = text(config_, "model_type", "");
        if (type != "llama" && type != "qwen2" && type != "qwen3")
            fail(errc::unsupported,
                 "the model's type is " + in_quotes(type) + "; 'llama', 'qwen2' and 'qwen3' are read");
        auto& f = out_.facts;
        f.layers = count("num_hidden_layers", layers_max);
        f.hidden = count("hidden_size", width_max);
        f.ffn = count("intermediate_size", width_max);
        f.heads = count("num_attention_heads", width_max);
        f.kv_heads = has("num_key_value_heads") || type != "llama" ? count("num_key_value_heads", width_max) : f.heads;
        if (!fault_ && f.heads % f.kv_heads != 0)
            fail(errc::invalid_argument, "config.json: query heads do not divide into KV heads");
        if (!fault_ && !has("head_dim") && (type == "qwen3" || f.hidden % f.heads != 0))
            fail(errc::invalid_argument, "config.json: has no 'head_dim', and it is not to be computed");
        f.head_dim = has("head_dim") ? count("head_dim", width_max) : fault_ ? 2 : f.hidden / f.heads;
        if (!fault_ && f.head_dim % 2 != 0)
            fail(errc::invalid_argument, "config.json: rotary positions need an even 'head_dim'");
        f.vocabulary = count("vocab_size", tokens_max);
        f.context = count("max_position_embeddings", tokens_max);
        f.rms_epsilon = static_cast<float>(positive(config_, "rms_norm_eps", {}));
        f.tied_head = flag("tie_word_embeddings");
        f.qkv_bias = type == "qwen2";
        f.qk_norm = type == "qwen3";
        f.rope_halves = true;
        rotation();
        refuse_variants();
        if (fault_) return *fault_;
        return std::move(out_);
    }

private:
    static constexpr std::uint64_t layers_max = 1024, width_max = 1u << 20, tokens_max = 1u << 24;

    void fail(errc code, std::string sentence) {
        if (!fault_) fault_ = make_fault(code, std::move(sentence));
    }
    bool has(const char* key) const { return config_.contains(key) && !config_[key].is_null(); }

    std::uint32_t count(const char* key, std::uint64_t max) {
        if (has(key) && config_[key].is_number_unsigned()) {
            const auto value = config_[key].get<std::uint64_t>();
            if (value > 0 && value <= max) return static_cast<std::uint32_t>(value);
        }
        fail(errc::invalid_argument,
             "config.json: " + in_quotes(key) + " is missing or no number from 1 to " + std::to_string(max));
        return 1;
    }
    double positive(const json& from, const char* key, std::optional<double> otherwise) {
        if (otherwise && (!from.contains(key) || from[key].is_null())) return *otherwise;
        const double value = from.contains(key) && from[key].is_number() ? from[key].get<double>() : 0;
        if (static_cast<float>(value) > 0 && std::isfinite(static_cast<float>(value))) return value;
        fail(errc::invalid_argument, "config.json: " + in_quotes(key) + " is missing or no positive number");
        return 1;
    }
    std::string text(const json& from, const char* key, const char* otherwise) {
        if (!from.contains(key) || from[key].is_null()) return otherwise;
        if (from[key].is_string()) return from[key].get<std::string>();
        fail(errc::invalid_argument, "config.json: " + in_quotes(key) + " is no text");
        return otherwise;
    }
    bool flag(const char* key) {
        if (!has(key)) return false;
        if (!config_[key].is_boolean())
            fail(errc::invalid_argument, "config.json: " + in_quotes(key) + " is neither true nor false");
        return config_[key] == true;
    }

    // transformers 5 writes rope_parameters; before, rope_theta stood beside rope_scaling.
    void rotation() {
        const char* key = has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        const json rope = has(key) ? config_[key] : json::object();
        if (!rope.is_object()) return fail(errc::invalid_argument, "config.json: " + in_quotes(key) + " is no object");
        const double otherwise = positive(config_, "rope_theta", 10000.0);
        const double base = positive(rope, "rope_theta", otherwise);
        out_.facts.rope_base = static_cast<float>(base);
        if (positive(rope, "partial_rotary_factor", 1.0) != 1.0)
            fail(errc::unsupported, "config.json: rotary positions over a part of the head are not served");
        const std::string type = text(rope, "rope_type", text(rope, "type", "default").c_str());
        if (type == "default" || fault_) return;
        if (type != "llama3")
            return fail(errc::unsupported, "config.json: rotary scaling " + in_quotes(type) + " is not served");
        // transformers, modeling_rope_utils.py, _compute_llama3_parameters
        const double factor = positive(rope, "factor", {}), low = positive(rope, "low_freq_factor", {});
        const double high = positive(rope, "high_freq_factor", {});
        const double context = positive(rope, "original_max_position_embeddings", {});
        if (!fault_ && !(low < high))
            fail(errc::invalid_argument, "config.json: 'low_freq_factor' is not below 'high_freq_factor'");
        if (fault_ || out_.facts.head_dim > model::llama::head_dim_max) return; // the decoder refuses such heads
        for (std::uint32_t i = 0; i < out_.facts.head_dim; i += 2) {
            const double length = 2 * std::numbers::pi * std::pow(base, double(i) / out_.facts.head_dim);
            const double smooth = (context / length - low) / (high - low);
            out_.rope_factors.push_back(static_cast<float>(length < context / high ? 1.0
                                                           : length > context / low
                                                               ? factor
                                                               : 1 / ((1 - smooth) / factor + smooth)));
        }
        out_.facts.rope_factors = true;
    }

    void refuse_variants() {
        if (text(config_, "hidden_act", "silu") != "silu")
            fail(errc::unsupported, "config.json: an activation other than SiLU is not served ('hidden_act')");
        for (const char* key : {"attention_bias", "mlp_bias", "use_sliding_window"})
            if (flag(key)) fail(errc::unsupported, "config.json: " + in_quotes(key) + " is not served");
        if (has("quantization_config"))
            fail(errc::unsupported, "config.json: quantised checkpoints are not served ('quantization_config')");
        if (has("layer_types"))
            for (const auto& layer : config_["layer_types"])
                if (layer != "full_attention")
                    fail(errc::unsupported, "config.json: 'layer_types' asks for attention that is not served");
    }

    const json& config_;
    checkpoint_config out_{};
    std::optional<fault> fault_;
};

std::string_view characters(const mapped_file& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

fault in_file(const std::string& path, const fault& why) {
    return make_fault(why.what.code, "'" + path + "': " + why.sentence, why.what.os_code);
}

} // namespace

outcome<checkpoint_config> checkpoint_config::parse(std::string_view text) {
    const auto read = read_json(text, "config.json");
    if (!read) return read.fault();
    return config_reader(*read).run();
}

outcome<std::map<std::string, std::string>> shards_of_index(std::string_view text) {
    const auto read = read_json(text, "the index of shards");
    if (!read) return read.fault();
    const auto map = read->find("weight_map");
    if (map == read->end() || !map->is_object() || map->empty())
        return make_fault(errc::corrupt, "the index of shards has no 'weight_map'");
    std::map<std::string, std::string> out;
    for (const auto& [name, shard] : map->items()) {
        const std::string file = shard.is_string() ? shard.get<std::string>() : "";
        if (!file.ends_with(".safetensors") || file.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
            return make_fault(errc::corrupt, "the index puts tensor " + in_quotes(name) + " into " + in_quotes(file) +
                                                 ", which is no safetensors file of the folder");
        out.emplace(name, file);
    }
    return out;
}

std::string gguf_name(std::string_view name, const model::llama_facts& facts) {
    if (name == "model.embed_tokens.weight") return "token_embd.weight";
    if (name == "model.norm.weight") return "output_norm.weight";
    if (name == "lm_head.weight") return "output.weight";
    constexpr std::string_view layers = "model.layers.";
    if (!name.starts_with(layers)) return {};
    name.remove_prefix(layers.size());
    std::uint32_t layer = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), layer);
    if (failed != std::errc{} || layer >= facts.layers) return {};
    name.remove_prefix(static_cast<std::size_t>(end - name.data()));
    struct part {
        std::string_view theirs, ours;
        bool there;
    };
    const part parts[] = {{".input_layernorm.weight", "attn_norm.weight", true},
                          {".self_attn.q_proj.weight", "attn_q.weight", true},
                          {".self_attn.k_proj.weight", "attn_k.weight", true},
                          {".self_attn.v_proj.weight", "attn_v.weight", true},
                          {".self_attn.o_proj.weight", "attn_output.weight", true},
                          {".self_attn.q_proj.bias", "attn_q.bias", facts.qkv_bias},
                          {".self_attn.k_proj.bias", "attn_k.bias", facts.qkv_bias},
                          {".self_attn.v_proj.bias", "attn_v.bias", facts.qkv_bias},
                          {".self_attn.q_norm.weight", "attn_q_norm.weight", facts.qk_norm},
                          {".self_attn.k_norm.weight", "attn_k_norm.weight", facts.qk_norm},
                          {".post_attention_layernorm.weight", "ffn_norm.weight", true},
                          {".mlp.gate_proj.weight", "ffn_gate.weight", true},
                          {".mlp.up_proj.weight", "ffn_up.weight", true},
                          {".mlp.down_proj.weight", "ffn_down.weight", true}};
    for (const auto& each : parts)
        if (each.there && each.theirs == name) return "blk." + std::to_string(layer) + "." + std::string(each.ours);
    return {};
}

outcome<checkpoint> checkpoint::open(const std::string& folder) {
    const auto at = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
    checkpoint out;
    {
        const auto text = mapped_file::open(at("config.json"));
        if (!text) return text.fault();
        auto config = checkpoint_config::parse(characters(*text));
        if (!config) return in_file(folder, config.fault());
        out.config_ = std::move(config).value();
    }
    std::map<std::string, std::string> shard_of; // what the index promises and is not found yet
    std::vector<std::string> names{"model.safetensors"};
    if (const std::string index = at("model.safetensors.index.json"); std::filesystem::exists(index)) {
        const auto text = mapped_file::open(index);
        if (!text) return text.fault();
        auto shards = shards_of_index(characters(*text));
        if (!shards) return in_file(index, shards.fault());
        shard_of = std::move(shards).value();
        names.clear();
        for (const auto& [tensor, shard] : shard_of)
            if (std::ranges::find(names, shard) == names.end()) names.push_back(shard);
    }
    const bool sharded = !shard_of.empty();
    for (const auto& name : names) {
        auto file = mapped_file::open(at(name));
        if (!file) return file.fault();
        const auto directory = safetensors::parse(file->bytes());
        if (!directory) return in_file(at(name), directory.fault());
        for (const auto& tensor : directory->tensors()) {
            const auto promised = shard_of.find(tensor.name);
            if (sharded && (promised == shard_of.end() || promised->second != name))
                return make_fault(errc::corrupt, "'" + at(name) + "': holds tensor " + in_quotes(tensor.name) +
                                                     ", which the index does not put there");
            if (sharded) shard_of.erase(promised);
            if (tensor.name.ends_with(".rotary_emb.inv_freq")) continue; // of old checkpoints; computed from the config
            const std::string ours = gguf_name(tensor.name, out.config_.facts);
            if (ours.empty())
                return make_fault(errc::unsupported, "'" + at(name) + "': tensor " + in_quotes(tensor.name) +
                                                         " is no part of this model; ignoring it would change the "
                                                         "answer");
            const auto weights = tensor.weights();
            if (!weights) return in_file(at(name), weights.fault());
            out.weights_.emplace(ours, *weights);
        }
        out.files_.push_back(std::move(file).value());
    }
    if (!shard_of.empty())
        return make_fault(errc::corrupt, "'" + at(shard_of.begin()->second) + "': does not hold tensor " +
                                             in_quotes(shard_of.begin()->first) + ", which the index puts there");
    return out;
}

outcome<kernel::weight_view> checkpoint::tensor(std::string_view name) const {
    if (name == "rope_freqs.weight" && config_.facts.rope_factors)
        return kernel::weight_view{.format = kernel::weight_format::f32,
                                   .data = reinterpret_cast<const std::byte*>(config_.rope_factors.data()),
                                   .rows = 1,
                                   .columns = static_cast<std::uint32_t>(config_.rope_factors.size())};
    const auto found = weights_.find(name);
    if (found == weights_.end()) return make_fault(errc::not_found, "the checkpoint has no tensor " + in_quotes(name));
    return found->second;
}

std::size_t checkpoint::size() const {
    std::size_t all = 0;
    for (const auto& file : files_) all += file.bytes().size();
    return all;
}

void checkpoint::release_pages() const {
    for (const auto& file : files_) file.release_pages();
}

} // namespace ashlar::support
