// SPDX-License-Identifier: Apache-2.0
#include <support/checkpoint_config.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

#include <support/json.hpp>

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
            fail(errc::invalid_argument, "query heads do not divide into KV heads");
        if (!fault_ && !has("head_dim") && (type == "qwen3" || f.hidden % f.heads != 0))
            fail(errc::invalid_argument, "has no 'head_dim', and it is not to be computed");
        f.head_dim = has("head_dim") ? count("head_dim", width_max) : fault_ ? 2 : f.hidden / f.heads;
        if (!fault_ && f.head_dim % 2 != 0) fail(errc::invalid_argument, "rotary positions need an even 'head_dim'");
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
        fail(errc::invalid_argument, in_quotes(key) + " is missing or no number from 1 to " + std::to_string(max));
        return 1;
    }
    double positive(const json& from, const char* key, std::optional<double> otherwise) {
        if (otherwise && (!from.contains(key) || from[key].is_null())) return *otherwise;
        const double value = from.contains(key) && from[key].is_number() ? from[key].get<double>() : 0;
        if (static_cast<float>(value) > 0 && std::isfinite(static_cast<float>(value))) return value;
        fail(errc::invalid_argument, in_quotes(key) + " is missing or no positive number");
        return 1;
    }
    std::string text(const json& from, const char* key, const char* otherwise) {
        if (!from.contains(key) || from[key].is_null()) return otherwise;
        if (from[key].is_string()) return from[key].get<std::string>();
        fail(errc::invalid_argument, in_quotes(key) + " is no text");
        return otherwise;
    }
    bool flag(const char* key) {
        if (!has(key)) return false;
        if (!config_[key].is_boolean()) fail(errc::invalid_argument, in_quotes(key) + " is neither true nor false");
        return config_[key] == true;
    }

    // transformers 5 writes rope_parameters; before, rope_theta stood beside rope_scaling.
    void rotation() {
        const char* key = has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        const json rope = has(key) ? config_[key] : json::object();
        if (!rope.is_object()) return fail(errc::invalid_argument, in_quotes(key) + " is no object");
        const double otherwise = positive(config_, "rope_theta", 10000.0);
        const double base = positive(rope, "rope_theta", otherwise);
        out_.facts.rope_base = static_cast<float>(base);
        if (positive(rope, "partial_rotary_factor", 1.0) != 1.0)
            fail(errc::unsupported, "rotary positions over a part of the head are not served");
        const std::string type = text(rope, "rope_type", text(rope, "type", "default").c_str());
        if (type == "default" || fault_) return;
        if (type != "llama3") return fail(errc::unsupported, "rotary scaling " + in_quotes(type) + " is not served");
        // transformers, modeling_rope_utils.py, _compute_llama3_parameters
        const double factor = positive(rope, "factor", {}), low = positive(rope, "low_freq_factor", {});
        const double high = positive(rope, "high_freq_factor", {});
        const double context = positive(rope, "original_max_position_embeddings", {});
        if (!fault_ && !(low < high)) fail(errc::invalid_argument, "'low_freq_factor' is not below 'high_freq_factor'");
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
            fail(errc::unsupported, "an activation other than SiLU is not served ('hidden_act')");
        for (const char* key : {"attention_bias", "mlp_bias", "use_sliding_window"})
            if (flag(key)) fail(errc::unsupported, in_quotes(key) + " is not served");
        if (has("quantization_config"))
            fail(errc::unsupported, "quantised checkpoints are not served ('quantization_config')");
        if (has("layer_types"))
            for (const auto& layer : config_["layer_types"])
                if (layer != "full_attention")
                    fail(errc::unsupported, "'layer_types' asks for attention that is not served");
    }

    const json& config_;
    checkpoint_config out_{};
    std::optional<fault> fault_;
};

} // namespace

outcome<checkpoint_config> checkpoint_config::parse(std::string_view text) {
    const auto read = read_json(text, "the file");
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

namespace {

// A token is written out, or as what "AddedToken" saves. Null: none.
outcome<std::optional<std::string>> token_text(const json& config, const char* key) {
    const json* value = config.contains(key) ? &config[key] : nullptr;
    if (value && value->is_object() && value->contains("content")) value = &(*value)["content"];
    if (!value || value->is_null()) return std::optional<std::string>();
    if (value->is_string()) return std::optional(value->get<std::string>());
    return make_fault(errc::invalid_argument, in_quotes(key) + " is no token");
}

outcome<std::optional<bool>> flag_of(const json& config, const char* key) {
    if (!config.contains(key) || config[key].is_null()) return std::optional<bool>();
    if (config[key].is_boolean()) return std::optional(config[key].get<bool>());
    return make_fault(errc::invalid_argument, in_quotes(key) + " is neither true nor false");
}

} // namespace

outcome<checkpoint_words> checkpoint_words::parse(std::string_view text) {
    const auto read = read_json(text, "the file");
    if (!read) return read.fault();
    const auto begin = token_text(*read, "bos_token"), end = token_text(*read, "eos_token");
    const auto begins = flag_of(*read, "add_bos_token"), ends = flag_of(*read, "add_eos_token");
    if (!begin) return begin.fault();
    if (!end) return end.fault();
    if (!begins) return begins.fault();
    if (!ends) return ends.fault();
    if (ends->value_or(false)) return make_fault(errc::unsupported, "'add_eos_token' is not served");
    checkpoint_words out{.begin = *begin, .end = *end, .begins = *begins, .chat = {}};
    const json chat = read->contains("chat_template") ? (*read)["chat_template"] : json();
    const auto bad = [] {
        return make_fault(errc::invalid_argument, "'chat_template' is neither a text nor a list of named ones");
    };
    if (chat.is_string()) out.chat = chat.get<std::string>();
    if (!chat.is_string() && !chat.is_array() && !chat.is_null()) return bad();
    if (chat.is_array()) {
        for (const json& each : chat) {
            if (!each.is_object() || !each.contains("name") || !each.contains("template") ||
                !each["template"].is_string())
                return bad();
            if (each["name"] == "default") out.chat = each["template"].get<std::string>();
        }
    }
    return out;
}

outcome<std::vector<token_id>> end_tokens_of(std::string_view text) {
    const auto read = read_json(text, "the file");
    if (!read) return read.fault();
    const json value = read->contains("eos_token_id") ? (*read)["eos_token_id"] : json();
    std::vector<token_id> out;
    if (value.is_null()) return out;
    for (const json& each : value.is_array() ? value : json::array({value})) {
        if (!each.is_number_unsigned() || each.get<std::uint64_t>() >= 1u << 24)
            return make_fault(errc::invalid_argument, "'eos_token_id' is neither a token's number nor a list of such");
        out.push_back(static_cast<token_id>(each.get<std::uint64_t>()));
    }
    return out;
}

} // namespace ashlar::support
