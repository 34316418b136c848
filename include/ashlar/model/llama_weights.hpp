// SPDX-License-Identifier: Apache-2.0
// The weights of a Llama or a relative, asked for by their GGUF names, checked against the facts and packed once into
// memory of their own: about as many bytes as the file. After `load` the file's pages are not needed any more; whoever
// mapped it may drop them (madvise).
//
//     tensor_name culprit;
//     auto by_name = [&](std::string_view name) { return file.tensor(name); };   // result<kernel::weight_view>
//     auto weights = llama_weights::load(facts, by_name, workers, culprit);
//     if (!weights) print(weights.error(), culprit.view());   // "invalid argument: blk.3.attn_q.weight"
//
// Names and shapes: ggml-org/llama.cpp, gguf-py/gguf/constants.py and docs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/workers.hpp>
#include <ashlar/kernel/panel.hpp>
#include <ashlar/kernel/rope.hpp>
#include <ashlar/kernel/weight.hpp>
#include <ashlar/model/llama.hpp>

namespace ashlar::inline v0::model {

// "blk.12.ffn_gate.weight"
class tensor_name {
public:
    tensor_name() = default;
    explicit tensor_name(std::string_view whole) { add(whole); }
    tensor_name(std::uint32_t layer, std::string_view part, std::string_view kind = ".weight") {
        char digits[10];
        std::size_t n = 0;
        do digits[n++] = static_cast<char>('0' + layer % 10);
        while (layer /= 10);
        add("blk.");
        while (n > 0) add({&digits[--n], 1});
        add("."), add(part), add(kind);
    }
    std::string_view view() const { return {text_, size_}; }

private:
    void add(std::string_view s) {
        for (char c : s) {
            if (size_ < sizeof text_) text_[size_++] = c;
        }
    }
    char text_[64] = {};
    std::size_t size_ = 0;
};

class llama_weights {
public:
    struct layer {
        const float *attention_norm, *ffn_norm;
        const float *q_bias, *k_bias, *v_bias, *q_norm, *k_norm; // null where the model has none
        kernel::packed_matrix q, k, v, output, gate, up, down;
    };

    // Weights: std::string_view -> result<kernel::weight_view>; asked twice for each tensor. On an error `culprit`
    // names the tensor: not_found or what by_name said; invalid_argument: another shape than the facts'; unsupported:
    // its format.
    template <class Weights, workers W>
    static result<llama_weights> load(const llama_facts& f, Weights&& by_name, W& threads, tensor_name& culprit) {
        static_assert(std::is_invocable_r_v<result<kernel::weight_view>, Weights&, std::string_view>,
                      "llama_weights::load: Weights is callable as result<kernel::weight_view>(std::string_view name)");
        culprit = {};
        if (auto ok = check(f); !ok) return ok.error();
        llama_weights all;
        all.layers_ = fixed_array<layer>(f.layers);
        for (const bool measure : {true, false}) {
            sink<Weights, W> to{by_name, threads, culprit, all, measure, {}, 0, 0};
            const bool whole = to.visit(f);
            if (!whole) return to.fault;
            if (measure) {
                all.packed_ = fixed_array<line>(to.bytes / sizeof(line));
                all.norms_ = fixed_array<float>(to.floats);
            }
        }
        return all;
    }

    const layer& at(std::uint32_t i) const { return layers_[i]; }
    const kernel::packed_matrix& embedding() const { return embedding_; }
    const kernel::packed_matrix& head() const { return head_; }
    const float* norm() const { return norm_; }
    const float* rope_factors() const { return rope_factors_; } // null where the model has none
    std::size_t bytes() const { return packed_.size() * sizeof(line) + norms_.size() * sizeof(float); }

private:
    struct alignas(64) line {
        std::byte bytes[64];
    };

    // Visits every tensor: first to check and measure, then to pack.
    template <class Weights, class W>
    struct sink {
        Weights& by_name;
        W& threads;
        tensor_name& culprit;
        llama_weights& all;
        bool measure;
        error fault;
        std::size_t bytes, floats;

        bool visit(const llama_facts& f) {
            const std::uint32_t q = f.heads * f.head_dim, kv = f.kv_heads * f.head_dim;
            const std::uint32_t turned = f.rope_halves ? f.head_dim : 1; // 1: in the file's order
            bool ok = matrix(tensor_name("token_embd.weight"), f.vocabulary, f.hidden, all.embedding_);
            for (std::uint32_t i = 0; ok && i < f.layers; ++i) {
                layer& l = all.layers_[i];
                ok = vector({i, "attn_norm"}, f.hidden, l.attention_norm) &&
                     matrix({i, "attn_q"}, q, f.hidden, l.q, turned) &&
                     matrix({i, "attn_k"}, kv, f.hidden, l.k, turned) && matrix({i, "attn_v"}, kv, f.hidden, l.v) &&
                     matrix({i, "attn_output"}, f.hidden, q, l.output) &&
                     vector({i, "ffn_norm"}, f.hidden, l.ffn_norm) &&
                     matrix({i, "ffn_gate"}, f.ffn, f.hidden, l.gate) && matrix({i, "ffn_up"}, f.ffn, f.hidden, l.up) &&
                     matrix({i, "ffn_down"}, f.hidden, f.ffn, l.down);
                if (f.qkv_bias) {
                    ok = ok && vector({i, "attn_q", ".bias"}, q, l.q_bias, turned) &&
                         vector({i, "attn_k", ".bias"}, kv, l.k_bias, turned) &&
                         vector({i, "attn_v", ".bias"}, kv, l.v_bias);
                }
                if (f.qk_norm) {
                    ok = ok && vector({i, "attn_q_norm"}, f.head_dim, l.q_norm, turned) &&
                         vector({i, "attn_k_norm"}, f.head_dim, l.k_norm, turned);
                }
            }
            ok = ok && vector(tensor_name("output_norm.weight"), f.hidden, all.norm_);
            if (f.rope_factors) {
                const tensor_name name("rope_freqs.weight");
                ok = ok && vector(name, f.head_dim / 2, all.rope_factors_);
                for (std::uint32_t i = 0; ok && !measure && i < f.head_dim / 2; ++i) {
                    if (!(all.rope_factors_[i] > 0)) ok = refuse(name, {errc::invalid_argument, origin::model});
                }
            }
            if (f.tied_head)
                all.head_ = all.embedding_;
            else
                ok = ok && matrix(tensor_name("output.weight"), f.vocabulary, f.hidden, all.head_);
            return ok;
        }
        bool refuse(const tensor_name& name, error why) {
            culprit = name;
            fault = why;
            return false;
        }
        bool find(const tensor_name& name, std::uint32_t rows, std::uint32_t columns, kernel::weight_view& found) {
            const result<kernel::weight_view> view = by_name(name.view());
            if (!view) return refuse(name, view.error());
            found = *view;
            if (static_cast<std::size_t>(found.format) >= kernel::weight_formats) {
                return refuse(name, {errc::unsupported, origin::model});
            }
            if (found.rows != rows || found.columns != columns || !found.well_formed()) {
                return refuse(name, {errc::invalid_argument, origin::model});
            }
            return true;
        }
        bool matrix(const tensor_name& name, std::uint32_t rows, std::uint32_t columns, kernel::packed_matrix& to,
                    std::uint32_t head_dim = 1) {
            kernel::weight_view found;
            if (!find(name, rows, columns, found)) return false;
            const std::size_t size = kernel::packed_bytes(found.format, rows, columns);
            if (!measure) {
                std::byte* at = all.packed_.data()->bytes + bytes;
                kernel::pack(found, at, threads,
                             [&](std::uint32_t row) { return kernel::half_split_row(row, head_dim); });
                to = {found.format, rows, columns, at};
            }
            bytes += (size + sizeof(line) - 1) / sizeof(line) * sizeof(line);
            return true;
        }
        bool vector(const tensor_name& name, std::uint32_t width, const float*& to, std::uint32_t head_dim = 1) {
            kernel::weight_view found;
            if (!find(name, 1, width, found)) return false;
            if (!measure) {
                float* at = all.norms_.data() + floats;
                for (std::uint32_t i = 0; i < width; ++i)
                    at[i] = element(found, 0, kernel::half_split_row(i, head_dim));
                to = at;
            }
            floats += width;
            return true;
        }
    };

    fixed_array<layer> layers_;
    kernel::packed_matrix embedding_, head_;
    const float *norm_ = nullptr, *rope_factors_ = nullptr;
    fixed_array<line> packed_;
    fixed_array<float> norms_;
};

} // namespace ashlar::inline v0::model
