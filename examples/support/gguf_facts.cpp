// SPDX-License-Identifier: Apache-2.0
// What a GGUF file says about its model.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <support/gguf.hpp>
#include <support/model_tensors.hpp>

namespace ashlar::support {
namespace {

// Gathers the facts of a Llama or a relative; the first failure sticks.
class facts_reader {
public:
    explicit facts_reader(const gguf& file) : file_(file) {}

    outcome<model::llama_facts> run() {
        dimensions();
        refuse_variants();
        tensors();
        if (fault_) return *fault_;
        return facts_;
    }

private:
    static constexpr std::uint64_t layers_max = 1024, width_max = 1u << 20, tokens_max = 1u << 24;

    void fail(errc code, std::string sentence) {
        if (!fault_) fault_ = make_fault(code, std::move(sentence));
    }

    std::uint32_t count(std::string_view key, std::uint64_t max) {
        if (fault_) return 1;
        const auto found = file_.count(key);
        if (!found) return fault_ = found.fault(), 1;
        if (*found == 0 || *found > max)
            return fail(errc::out_of_range, "metadata " + in_quotes(key) + " is " + std::to_string(*found) +
                                                ", outside 1 to " + std::to_string(max)),
                   1;
        return static_cast<std::uint32_t>(*found);
    }

    std::uint32_t count_or(std::string_view key, std::uint64_t max, std::uint32_t otherwise) {
        return file_.has(key) ? count(key, max) : otherwise;
    }

    float positive(std::string_view key, std::optional<float> otherwise) {
        if (fault_) return 1;
        if (!file_.has(key) && otherwise) return *otherwise;
        const auto found = file_.number(key);
        if (!found) return fault_ = found.fault(), 1;
        const float out = static_cast<float>(*found);
        if (!(out > 0) || !std::isfinite(out))
            return fail(errc::out_of_range, "metadata " + in_quotes(key) + " is not a positive number"), 1;
        return out;
    }

    // A key of the file's own architecture.
    std::string own(std::string_view part) const { return architecture_ + "." + std::string(part); }

    void dimensions() {
        const auto architecture = file_.text("general.architecture");
        if (!architecture) return void(fault_ = architecture.fault());
        if (*architecture != "llama" && *architecture != "qwen2" && *architecture != "qwen3")
            return fail(errc::unsupported, "the model's architecture is " + in_quotes(*architecture) +
                                               "; 'llama', 'qwen2' and 'qwen3' are served");
        architecture_ = *architecture;
        facts_.rope_halves = architecture_ != "llama"; // whose rows the converter permutes for interleaved pairs
        facts_.qk_norm = architecture_ == "qwen3";
        facts_.qkv_bias = architecture_ == "qwen2" || file_.has_tensor("blk.0.attn_q.bias");
        facts_.rope_factors = file_.has_tensor("rope_freqs.weight");
        facts_.layers = count(own("block_count"), layers_max);
        facts_.hidden = count(own("embedding_length"), width_max);
        facts_.ffn = count(own("feed_forward_length"), width_max);
        facts_.heads = count(own("attention.head_count"), width_max);
        facts_.kv_heads = count_or(own("attention.head_count_kv"), width_max, facts_.heads);
        facts_.context = count(own("context_length"), tokens_max);
        facts_.rope_base = positive(own("rope.freq_base"), 10000.0f); // llama.cpp's default
        facts_.rms_epsilon = positive(own("attention.layer_norm_rms_epsilon"), {});
        if (fault_) return;
        if (!file_.has(own("attention.key_length")) && facts_.hidden % facts_.heads != 0)
            return fail(errc::invalid_argument, "the width " + std::to_string(facts_.hidden) +
                                                    " does not divide into " + std::to_string(facts_.heads) + " heads");
        facts_.head_dim = count_or(own("attention.key_length"), width_max, facts_.hidden / facts_.heads);
        if (fault_) return;
        if (facts_.heads % facts_.kv_heads != 0)
            return fail(errc::invalid_argument, std::to_string(facts_.heads) + " query heads do not divide into " +
                                                    std::to_string(facts_.kv_heads) + " KV heads");
        if (facts_.head_dim % 2 != 0)
            return fail(errc::invalid_argument, "heads of " + std::to_string(facts_.head_dim) +
                                                    " dimensions: rotary positions need an even number");
        if (count_or(own("attention.value_length"), width_max, facts_.head_dim) != facts_.head_dim)
            return fail(errc::unsupported, "values and keys of different head dimensions are not served");
        if (count_or(own("rope.dimension_count"), width_max, facts_.head_dim) != facts_.head_dim)
            return fail(errc::unsupported, "rotary positions over a part of the head are not served (" +
                                               in_quotes(own("rope.dimension_count")) + ")");
        const auto embedding = file_.tensor("token_embd.weight");
        if (!embedding) return void(fault_ = embedding.fault());
        facts_.vocabulary = count_or(own("vocab_size"), tokens_max, embedding->rows);
        facts_.tied_head = !file_.has_tensor("output.weight");
    }

    // What would change the answer and is not computed is refused, never ignored.
    void refuse_variants() {
        if (fault_) return;
        if (const auto scaling = file_.text(own("rope.scaling.type")); scaling && *scaling != "none")
            return fail(errc::unsupported, "rotary scaling " + in_quotes(*scaling) + " is not served (" +
                                               in_quotes(own("rope.scaling.type")) + ")");
        for (const std::string& key : {own("rope.scale_linear"), own("rope.scaling.factor")})
            if (const auto scale = file_.number(key); scale && *scale != 1.0)
                return fail(errc::unsupported, "rotary scaling is not served (" + in_quotes(key) + ")");
        for (const std::string& key : {own("expert_count"), own("attention.sliding_window")})
            if (const auto used = file_.count(key); used && *used != 0)
                return fail(errc::unsupported, "metadata " + in_quotes(key) + " asks for something that is not served");
    }

    void expect(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
        if (fault_) return;
        const auto found = file_.tensor(name);
        if (!found) return void(fault_ = found.fault());
        if (found->rows != rows || found->columns != columns)
            return fail(errc::invalid_argument, "tensor " + in_quotes(name) + " is " + std::to_string(found->rows) +
                                                    " x " + std::to_string(found->columns) +
                                                    "; the metadata asks for " + std::to_string(rows) + " x " +
                                                    std::to_string(columns));
        if (rows == 1 && found->format != kernel::weight_format::f32)
            return fail(errc::unsupported, "tensor " + in_quotes(name) + " is a vector that is not stored as F32");
        names_.push_back(name);
    }

    void tensors() {
        if (fault_) return;
        for (const auto& each : tensors_of(facts_)) expect(each.name, each.rows, each.columns);
        if (fault_ || names_.size() == file_.tensors().size()) return;
        std::ranges::sort(names_);
        for (const auto& entry : file_.tensors()) // what is here and was not asked for would change the answer
            if (!std::ranges::binary_search(names_, entry.name, std::less<>{}))
                return fail(errc::unsupported, "tensor " + in_quotes(entry.name) + " is no part of a " + architecture_ +
                                                   " of " + std::to_string(facts_.layers) +
                                                   " layers; ignoring it would change the answer");
    }

    const gguf& file_;
    model::llama_facts facts_{};
    std::string architecture_;
    std::vector<std::string> names_; // of all tensors that there should be
    std::optional<fault> fault_;
};

} // namespace

outcome<model::llama_facts> gguf::facts() const { return facts_reader(*this).run(); }

} // namespace ashlar::support
