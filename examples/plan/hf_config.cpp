// SPDX-License-Identifier: Apache-2.0
#include "hf_config.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include <support/json.hpp>

namespace planner {

namespace {

using json = nlohmann::json;

constexpr std::int64_t size_max = 1 << 24; // of a dimension; products of four are exact in a double
constexpr std::int64_t layers_max = 4096;
constexpr std::size_t bytes_max = 1 << 20;
constexpr std::size_t depth_max = 32;

// Fields of an object, each checked and named with its file.
class fields {
public:
    fields(const json& object, std::string file, std::string path = {})
        : object_(object), file_(std::move(file)), path_(std::move(path)) {}

    [[noreturn]] void refuse(const std::string& field, const std::string& why) const {
        throw bad_input(file_ + ": " + path_ + field + ": " + why);
    }
    const json* find(const std::string& field) const { // null counts as absent, as transformers writes it
        const auto at = object_.find(field);
        return at == object_.end() || at->is_null() ? nullptr : &*at;
    }
    fields inside(const std::string& field) const {
        const json* at = find(field);
        if (!at) refuse(field, "is missing");
        if (!at->is_object()) refuse(field, "is " + shown(*at) + ", wants an object");
        return {*at, file_, path_ + field + "."};
    }

    int count(const std::string& field, std::int64_t least = 1, std::int64_t most = size_max) const {
        const json* at = find(field);
        if (!at) refuse(field, "is missing; it wants a whole number of " + range(least, most));
        return checked(field, *at, least, most);
    }
    int count_or(const std::string& field, std::int64_t otherwise, std::int64_t least = 1,
                 std::int64_t most = size_max) const {
        const json* at = find(field);
        return at ? checked(field, *at, least, most) : static_cast<int>(otherwise);
    }
    bool flag_or(const std::string& field, bool otherwise) const {
        const json* at = find(field);
        if (!at) return otherwise;
        if (!at->is_boolean()) refuse(field, "is " + shown(*at) + ", wants true or false");
        return at->get<bool>();
    }
    std::string text_or(const std::string& field, const std::string& otherwise) const {
        const json* at = find(field);
        if (!at) return otherwise;
        if (!at->is_string()) refuse(field, "is " + shown(*at) + ", wants a text");
        return at->get<std::string>();
    }
    // The elements of a list; none if it is absent.
    std::vector<json> list(const std::string& field) const {
        const json* at = find(field);
        if (!at) return {};
        if (!at->is_array()) refuse(field, "is " + shown(*at) + ", wants a list");
        return {at->begin(), at->end()};
    }
    int checked(const std::string& field, const json& value, std::int64_t least, std::int64_t most) const {
        const bool whole = value.is_number_integer() &&
                           (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{1} << 62);
        if (!whole || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) {
            refuse(field, "is " + shown(value) + ", wants a whole number of " + range(least, most));
        }
        return static_cast<int>(value.get<std::int64_t>());
    }
    static std::string shown(const json& value) {
        std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
        if (text.size() > 40) text = text.substr(0, 37) + "...";
        return text;
    }

private:
    static std::string range(std::int64_t least, std::int64_t most) {
        return std::to_string(least) + " to " + std::to_string(most);
    }

    const json& object_;
    std::string file_, path_;
};

// The layers, one by one, put together into groups of equal ones.
class layers {
public:
    layers(const fields& in, int count) : in_(in), all_(static_cast<std::size_t>(count)) {}

    int count() const { return static_cast<int>(all_.size()); }
    plan::layer_group& operator[](int layer) { return all_[static_cast<std::size_t>(layer)]; }
    void everywhere(const plan::attention& mix) {
        for (plan::layer_group& each : all_) each.mix = mix;
    }
    void into(plan::model& m) const {
        for (const plan::layer_group& each : all_) {
            plan::layer_group* at = std::begin(m.groups);
            for (; at != std::end(m.groups) && at->count != 0; ++at) {
                if (at->mix == each.mix && at->feed == each.feed) break;
            }
            if (at == std::end(m.groups)) {
                in_.refuse("num_hidden_layers", "the layers are of more than " +
                                                    std::to_string(plan::model::groups_max) +
                                                    " different kinds, which a descriptor cannot hold");
            }
            *at = {at->count + 1, each.mix, each.feed};
        }
    }

private:
    const fields& in_;
    std::vector<plan::layer_group> all_;
};

plan::attention grouped(const fields& in) {
    const int heads = in.count("num_attention_heads", 1, 65536);
    const int kv_heads = in.count_or("num_key_value_heads", heads, 1, 65536);
    const int hidden = in.count("hidden_size");
    if (kv_heads > heads || heads % kv_heads != 0) {
        in.refuse("num_key_value_heads",
                  std::to_string(kv_heads) + " does not divide num_attention_heads, " + std::to_string(heads));
    }
    if (!in.find("head_dim") && hidden % heads != 0) {
        in.refuse("head_dim", "is missing, and num_attention_heads, " + std::to_string(heads) +
                                  ", does not divide hidden_size, " + std::to_string(hidden));
    }
    return plan::gqa({heads, kv_heads, in.count_or("head_dim", hidden / heads, 1, 65536)}, plan::stored::bf16);
}

// Which layers see a window alone: layer_types, else the older use_sliding_window and max_window_layers.
void windows(const fields& in, layers& stack, bool by_default) {
    const std::vector<json> types = in.list("layer_types");
    if (!types.empty()) {
        if (static_cast<int>(types.size()) != stack.count()) {
            in.refuse("layer_types", "has " + std::to_string(types.size()) +
                                         " entries for num_hidden_layers = " + std::to_string(stack.count()));
        }
        for (int k = 0; k < stack.count(); ++k) {
            const json& type = types[static_cast<std::size_t>(k)];
            if (type == "full_attention") continue;
            if (type != "sliding_attention") {
                in.refuse("layer_types", "layer " + std::to_string(k) + " is " + fields::shown(type) +
                                             "; full_attention and sliding_attention are understood");
            }
            stack[k].mix = plan::windowed(stack[k].mix, in.count("sliding_window", 1, 1 << 30));
        }
        return;
    }
    if (!in.find("sliding_window") || !in.flag_or("use_sliding_window", by_default)) return;
    const int window = in.count("sliding_window", 1, 1 << 30);
    for (int k = in.count_or("max_window_layers", 0, 0, 1 << 20); k < stack.count(); ++k) {
        stack[k].mix = plan::windowed(stack[k].mix, window);
    }
}

plan::ffn routed(const fields& in, const std::string& experts, const std::string& active, int shared, int width) {
    const int all = in.count(experts, 1, 65536);
    const int top = in.count(active, 1, 65536);
    if (top > all) {
        in.refuse(active, "is " + std::to_string(top) + ", more than " + experts + " = " + std::to_string(all));
    }
    return plan::moe({.experts = all, .active = top, .shared = shared, .width = width});
}

void read_dense(const fields& in, layers& stack) {
    stack.everywhere(grouped(in));
    for (int k = 0; k < stack.count(); ++k) stack[k].feed = plan::dense(in.count("intermediate_size"));
}
void read_llama(const fields& in, layers& stack) { read_dense(in, stack); }
void read_mistral(const fields& in, layers& stack) {
    read_dense(in, stack);
    windows(in, stack, true);
}
void read_qwen(const fields& in, layers& stack) {
    read_dense(in, stack);
    windows(in, stack, false);
}
void read_mixtral(const fields& in, layers& stack) {
    stack.everywhere(grouped(in));
    const int width = in.count("intermediate_size");
    for (int k = 0; k < stack.count(); ++k) {
        stack[k].feed = routed(in, "num_local_experts", "num_experts_per_tok", 0, width);
    }
    windows(in, stack, true);
}
void read_qwen3_moe(const fields& in, layers& stack) {
    stack.everywhere(grouped(in));
    const plan::ffn experts = routed(in, "num_experts", "num_experts_per_tok", 0, in.count("moe_intermediate_size"));
    const int step = in.count_or("decoder_sparse_step", 1, 1, layers_max);
    std::vector<int> plain_layers;
    for (const json& each : in.list("mlp_only_layers")) {
        plain_layers.push_back(in.checked("mlp_only_layers", each, 0, stack.count() - 1));
    }
    for (int k = 0; k < stack.count(); ++k) {
        const bool plain = (k + 1) % step != 0 || std::ranges::find(plain_layers, k) != plain_layers.end();
        stack[k].feed = plain ? plan::dense(in.count("intermediate_size")) : experts;
    }
    windows(in, stack, false);
}
void read_deepseek(const fields& in, layers& stack) {
    plan::attention mix = plan::mla({.query_heads = in.count("num_attention_heads", 1, 65536),
                                     .query_rank = in.count_or("q_lora_rank", 0),
                                     .latent_dim = in.count("kv_lora_rank", 1, 65536),
                                     .rope_dim = in.count("qk_rope_head_dim", 1, 65536),
                                     .head_dim = in.count("qk_nope_head_dim", 1, 65536),
                                     .value_dim = in.count("v_head_dim", 1, 65536)},
                                    plan::stored::bf16);
    if (in.find("index_topk")) { // DeepSeek-V3.2: an indexer and the best tokens
        mix = plan::sees(mix, {.top_k = in.count("index_topk", 1, 1 << 30),
                               .index_heads = in.count("index_n_heads", 1, 65536),
                               .index_dim = in.count("index_head_dim", 1, 65536)});
    }
    stack.everywhere(mix);
    const int step = in.count_or("moe_layer_freq", 1, 1, layers_max);
    const int first =
        in.find("n_routed_experts") ? in.count_or("first_k_dense_replace", 0, 0, layers_max) : stack.count();
    for (int k = 0; k < stack.count(); ++k) {
        stack[k].feed = k < first || k % step != 0
                            ? plan::dense(in.count("intermediate_size"))
                            : routed(in, "n_routed_experts", "num_experts_per_tok",
                                     in.count_or("n_shared_experts", 0, 0, 1024), in.count("moe_intermediate_size"));
    }
}
void read_ernie_moe(const fields& in, layers& stack) {
    stack.everywhere(grouped(in));
    const plan::ffn experts = routed(in, "moe_num_experts", "moe_k", in.count_or("moe_num_shared_experts", 0, 0, 1024),
                                     in.count("moe_intermediate_size"));
    const int first = in.count_or("moe_layer_start_index", 1, 0, layers_max);
    const int last = in.count_or("moe_layer_end_index", stack.count() - 1, -1, layers_max);
    const int step = in.count_or("moe_layer_interval", 1, 1, layers_max);
    for (int k = 0; k < stack.count(); ++k) {
        const bool inside = k >= first && (last < 0 || k <= last) && (k + 1) % step == 0;
        stack[k].feed = inside ? experts : plan::dense(in.count("intermediate_size"));
    }
}
void read_step3(const fields& in, layers& stack) {
    const int heads = in.count("num_attention_heads", 1, 65536);
    if (in.count_or("num_attention_groups", 1, 1, 65536) != 1) {
        in.refuse("num_attention_groups", "only one KV head (MFA) is understood");
    }
    stack.everywhere(plan::mfa({heads, in.count("head_dim", 1, 65536), in.count("share_q_dim")}, plan::stored::bf16));
    const int width = in.count("moe_intermediate_size"), shared = in.count_or("share_expert_dim", width, 0);
    if (shared % width != 0) {
        in.refuse("share_expert_dim", "is " + std::to_string(shared) + ", no multiple of moe_intermediate_size, " +
                                          std::to_string(width) +
                                          ": a shared expert of another width is not understood");
    }
    const plan::ffn experts = routed(in, "moe_num_experts", "moe_top_k", shared / width, width);
    for (int k = 0; k < stack.count(); ++k) stack[k].feed = plan::dense(in.count("intermediate_size"));
    const std::string enumerated = in.text_or("moe_layers_enum", "");
    if (enumerated.empty())
        in.refuse("moe_layers_enum", "is missing; it wants the numbers of the MoE layers: \"4,5,6\"");
    for (const std::string& each : split(enumerated, ',')) {
        const json number = json::parse(each, nullptr, false);
        stack[in.checked("moe_layers_enum", number, 0, stack.count() - 1)].feed = experts;
    }
}

struct architecture {
    std::string type;
    void (*read)(const fields&, layers&);
};
const std::vector<architecture>& architectures() {
    static const std::vector<architecture> all{
        {"llama", read_llama},          {"mistral", read_mistral},      {"mixtral", read_mixtral},
        {"qwen2", read_qwen},           {"qwen3", read_qwen},           {"qwen3_moe", read_qwen3_moe},
        {"deepseek_v2", read_deepseek}, {"deepseek_v3", read_deepseek}, {"deepseek_v32", read_deepseek},
        {"kimi_k2", read_deepseek},     {"ernie4_5", read_llama},       {"ernie4_5_moe", read_ernie_moe},
        {"step3_text", read_step3}};
    return all;
}

plan::precision by_dtype(const fields& in) {
    const char* field = in.find("torch_dtype") ? "torch_dtype" : "dtype";
    const std::string type = in.text_or(field, "bfloat16");
    if (type == "bfloat16" || type == "float16") return plan::stored::bf16;
    if (type == "float32") return plan::stored::fp32;
    if (type == "float8_e4m3fn") return plan::stored::fp8;
    in.refuse(field, "is \"" + type + "\"; bfloat16, float16, float32 and float8_e4m3fn are understood");
}

// How weights lie in memory, and what they are multiplied in.
plan::precision by_quantization(const fields& top) {
    if (!top.find("quantization_config")) return by_dtype(top);
    const fields in = top.inside("quantization_config");
    const std::string method = in.text_or("quant_method", "");
    if (method == "fp8" || method == "fbgemm_fp8") {
        const std::vector<json> block = in.list("weight_block_size");
        if (block.empty()) return plan::stored::fp8;
        int elements = 1; // one fp32 scale for a block
        for (const json& side : block) {
            const int length = in.checked("weight_block_size", side, 1, 4096);
            if (block.size() > 2) in.refuse("weight_block_size", "wants two numbers");
            elements *= length;
        }
        return {plan::math::fp8, 8, 32, elements};
    }
    if (method == "mxfp4") return plan::stored::mxfp4;
    if (method == "awq" || method == "gptq") { // stored small, multiplied in 16 bits
        const int group = in.count_or("group_size", 128, -1, 65536);
        return {plan::math::bf16, in.count("bits", 2, 8), 16, group > 0 ? group : 65536};
    }
    if (method == "modelopt") {
        const std::string algorithm = in.text_or("quant_algo", "");
        if (algorithm == "FP8") return plan::stored::fp8;
        if (algorithm == "NVFP4") return plan::stored::nvfp4;
        in.refuse("quant_algo", "is \"" + algorithm + "\"; FP8 and NVFP4 are understood");
    }
    if (method == "compressed-tensors") {
        const fields groups = in.inside("config_groups");
        const fields group = groups.inside("group_0"), weights = group.inside("weights");
        const int bits = weights.count("num_bits", 4, 16), each = weights.count_or("group_size", 65536, -1, 65536);
        const bool floating = weights.text_or("type", "int") == "float";
        if (group.find("input_activations")) {
            if (bits == 8) return floating ? plan::stored::fp8 : plan::stored::int8;
            if (bits == 4 && floating) return each == 16 ? plan::stored::nvfp4 : plan::stored::mxfp4;
        }
        return {plan::math::bf16, bits, 16, each > 0 ? each : 65536};
    }
    in.refuse("quant_method", "is \"" + method +
                                  "\"; fp8, mxfp4, awq, gptq, modelopt and compressed-tensors are understood; or say "
                                  "weights=... and take the object out");
}

} // namespace

std::span<const std::string> hf_model_types() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> list;
        for (const architecture& each : architectures()) list.push_back(each.type);
        return list;
    }();
    return names;
}

loaded_model read_hf_config(std::string_view text, const std::string& file, std::string_view name) {
    if (text.size() > bytes_max) throw bad_input(file + ": larger than a MiB, which no config.json is");
    const ashlar::support::json_watch seen(text, depth_max);
    if (seen.deep()) throw bad_input(file + ": nested deeper than " + std::to_string(depth_max) + " levels");
    if (seen.twice()) throw bad_input(file + ": " + fields::shown(*seen.twice()) + " stands twice in one object");
    json root;
    try {
        root = json::parse(text);
    } catch (const json::parse_error& fault) {
        throw bad_input(file + ": byte " + std::to_string(fault.byte) +
                        ": this is no JSON; is it the config.json of a model?");
    } catch (const json::out_of_range&) {
        throw bad_input(file + ": holds a number that no machine can hold");
    }
    if (!root.is_object()) throw bad_input(file + ": is no object; is it the config.json of a model?");

    const fields top(root, file);
    const std::string outer = top.text_or("model_type", "");
    const bool nested = top.find("text_config") != nullptr; // of a model that sees pictures as well
    const fields in = nested ? top.inside("text_config") : top;
    std::string type = in.text_or("model_type", nested ? outer : "");
    if (type == "step3" || type == "step3_vl") type = "step3_text";
    const auto known = std::ranges::find(architectures(), type, &architecture::type);
    if (known == architectures().end()) {
        in.refuse("model_type", (type.empty() ? "is missing" : "\"" + type.substr(0, 64) + "\" is not understood") +
                                    did_you_mean(type, hf_model_types()) + "; one of " + join(hf_model_types()));
    }

    loaded_model out;
    plan::model& m = out.shape;
    for (std::size_t k = 0; k < std::min(name.size(), sizeof m.name - 1); ++k) {
        m.name[k] = printable(name.substr(k, 1)) ? name[k] : '?';
    }
    m.hidden = in.count("hidden_size");
    m.vocabulary = in.count("vocab_size");
    m.tied = in.flag_or("tie_word_embeddings", false);
    layers stack(in, in.count("num_hidden_layers", 1, layers_max));
    known->read(in, stack);
    stack.into(m);
    out.weights = by_quantization(top.find("quantization_config") ? top : in);
    out.source = file;
    return out;
}

} // namespace planner
