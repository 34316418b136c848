// SPDX-License-Identifier: Apache-2.0
// A tiny Llama with random weights, in every weight format at once, and the same model once more in float64, written as
// plainly as it can be.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/kv/layout.hpp>
#include <ashlar/model.hpp>

#include "kernel/each.hpp"

namespace tiny {

namespace al = ashlar;
namespace k = ashlar::kernel;
namespace m = ashlar::model;

inline constexpr m::llama_facts facts{.layers = 3,
                                      .hidden = 64,
                                      .ffn = 96,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .head_dim = 16,
                                      .vocabulary = 130,
                                      .context = 128,
                                      .rope_base = 10000,
                                      .rms_epsilon = 1e-5f,
                                      .tied_head = false};

struct weights {
    std::map<std::string, each::matrix, std::less<>> all;

    explicit weights(const m::llama_facts& f) {
        std::uint64_t seed = 1;
        const auto put = [&](const std::string& name, k::weight_format format, std::uint32_t rows,
                             std::uint32_t columns) { all.emplace(name, each::matrix(format, rows, columns, seed++)); };
        const std::uint32_t q = f.heads * f.head_dim, kv = f.kv_heads * f.head_dim;
        put("token_embd.weight", k::weight_format::q8_0, f.vocabulary, f.hidden);
        put("output_norm.weight", k::weight_format::f32, 1, f.hidden);
        if (!f.tied_head) put("output.weight", k::weight_format::f16, f.vocabulary, f.hidden);
        if (f.rope_factors) {
            auto& factors = all.emplace("rope_freqs.weight", each::matrix(k::weight_format::f32, 1, f.head_dim / 2, 99))
                                .first->second;
            for (std::uint32_t i = 0; i < f.head_dim / 2; ++i) {
                const float factor = 1 + 7 * float(i) / float(f.head_dim);
                std::memcpy(factors.bytes.data() + i * sizeof factor, &factor, sizeof factor);
            }
        }
        for (std::uint32_t l = 0; l < f.layers; ++l) {
            const std::string b = "blk." + std::to_string(l) + ".";
            const auto format = [&](std::uint32_t i) { return each::formats[(l + i) % 8]; };
            put(b + "attn_norm.weight", k::weight_format::f32, 1, f.hidden);
            put(b + "attn_q.weight", format(0), q, f.hidden);
            put(b + "attn_k.weight", format(1), kv, f.hidden);
            put(b + "attn_v.weight", format(2), kv, f.hidden);
            put(b + "attn_output.weight", format(3), f.hidden, q);
            if (f.qkv_bias) {
                put(b + "attn_q.bias", k::weight_format::f32, 1, q);
                put(b + "attn_k.bias", k::weight_format::f16, 1, kv);
                put(b + "attn_v.bias", k::weight_format::bf16, 1, kv);
            }
            if (f.qk_norm) {
                put(b + "attn_q_norm.weight", k::weight_format::f32, 1, f.head_dim);
                put(b + "attn_k_norm.weight", k::weight_format::f32, 1, f.head_dim);
            }
            put(b + "ffn_norm.weight", k::weight_format::f16, 1, f.hidden);
            put(b + "ffn_gate.weight", format(4), f.ffn, f.hidden);
            put(b + "ffn_up.weight", format(3), f.ffn, f.hidden);
            put(b + "ffn_down.weight", format(0), f.hidden, f.ffn);
        }
    }
    al::result<k::weight_view> operator()(std::string_view name) const {
        const auto found = all.find(name);
        if (found == all.end()) return {al::errc::not_found, al::origin::app};
        return found->second.view;
    }
};

// What a cache gives back. Keys come turned (kernel/cache_vector.hpp) and are turned back here.
template <class Stored>
void round_head(double* head, std::uint32_t dim, bool key) {
    std::vector<float> x(head, head + dim);
    std::vector<Stored> stored(dim);
    if (key) k::turn_to_keys<Stored>(x.data(), dim);
    k::store_vector<k::portable>(x.data(), dim, stored.data());
    for (std::uint32_t d = 0; d < dim; ++d) {
        if constexpr (std::is_same_v<Stored, al::scaled16>)
            x[d] = al::to_float(stored[d], al::scale_of(stored.data()));
        else
            x[d] = al::to_float(stored[d]);
    }
    if (key) k::turn_to_keys<Stored>(x.data(), dim);
    std::copy(x.begin(), x.end(), head);
}

// Logits of the last token of a prompt; Stored rounds keys and values as the cache does.
template <class Stored>
std::vector<double> reference(const m::llama_facts& f, const weights& w, const std::vector<al::token_id>& prompt) {
    using row = std::vector<double>;
    const auto at = [&](const std::string& name) { return w.all.find(name)->second.view; };
    const auto times = [&](const std::string& name, const row& x) {
        const auto v = at(name);
        row y(v.rows);
        for (std::uint32_t r = 0; r < v.rows; ++r) {
            for (std::uint32_t c = 0; c < v.columns; ++c) y[r] += double(k::element(v, r, c)) * x[c];
        }
        return y;
    };
    const auto norm = [&](const std::string& name, row x) {
        double squares = 0;
        for (const double a : x) squares += a * a;
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] *= k::element(at(name), 0, std::uint32_t(i)) / std::sqrt(squares / double(x.size()) + f.rms_epsilon);
        }
        return x;
    };
    const auto turn = [&](row& x, std::size_t position) {
        for (std::size_t p = 0; p < x.size() / 2; ++p) { // pairs, of all heads
            const std::size_t half = f.head_dim / 2, pair = p % half, head = p / half * f.head_dim;
            double& first = x[head + (f.rope_halves ? pair : 2 * pair)];
            double& second = x[head + (f.rope_halves ? pair + half : 2 * pair + 1)];
            double angle = double(position) * std::pow(f.rope_base, -2.0 * double(pair) / f.head_dim);
            if (f.rope_factors) angle /= k::element(at("rope_freqs.weight"), 0, std::uint32_t(pair));
            const double a = first, b = second, c = std::cos(angle), s = std::sin(angle);
            first = a * c - b * s, second = b * c + a * s;
        }
    };
    const auto shift = [&](const std::string& name, row& x) {
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += k::element(at(name), 0, std::uint32_t(i));
    };
    const auto norm_heads = [&](const std::string& name, row& x) {
        for (std::size_t i = 0; i < x.size(); i += f.head_dim) {
            const auto begin = x.begin() + std::ptrdiff_t(i);
            const row head = norm(name, row(begin, begin + f.head_dim));
            std::copy(head.begin(), head.end(), begin);
        }
    };
    std::vector<row> x;
    for (const auto t : prompt) {
        x.emplace_back();
        for (std::uint32_t c = 0; c < f.hidden; ++c)
            x.back().push_back(k::element(at("token_embd.weight"), std::uint32_t(t), c));
    }
    for (std::uint32_t l = 0; l < f.layers; ++l) {
        const std::string b = "blk." + std::to_string(l) + ".";
        std::vector<row> keys, values;
        for (std::size_t p = 0; p < x.size(); ++p) {
            const row h = norm(b + "attn_norm.weight", x[p]);
            row q = times(b + "attn_q.weight", h);
            keys.push_back(times(b + "attn_k.weight", h)), values.push_back(times(b + "attn_v.weight", h));
            if (f.qkv_bias) {
                shift(b + "attn_q.bias", q), shift(b + "attn_k.bias", keys.back());
                shift(b + "attn_v.bias", values.back());
            }
            if (f.qk_norm) {
                norm_heads(b + "attn_q_norm.weight", q), norm_heads(b + "attn_k_norm.weight", keys.back());
            }
            turn(q, p), turn(keys.back(), p);
            for (std::uint32_t head = 0; head < f.kv_heads; ++head) {
                round_head<Stored>(keys.back().data() + head * f.head_dim, f.head_dim, true);
                round_head<Stored>(values.back().data() + head * f.head_dim, f.head_dim, false);
            }
            row out(q.size());
            for (std::uint32_t head = 0; head < f.heads; ++head) {
                const std::size_t mine = head * f.head_dim, theirs = head / (f.heads / f.kv_heads) * f.head_dim;
                row weight(p + 1);
                double sum = 0;
                for (std::size_t j = 0; j <= p; ++j) {
                    double dot = 0;
                    for (std::size_t d = 0; d < f.head_dim; ++d) dot += q[mine + d] * keys[j][theirs + d];
                    sum += weight[j] = std::exp(dot / std::sqrt(double(f.head_dim)));
                }
                for (std::size_t j = 0; j <= p; ++j) {
                    for (std::size_t d = 0; d < f.head_dim; ++d)
                        out[mine + d] += weight[j] / sum * values[j][theirs + d];
                }
            }
            const row attended = times(b + "attn_output.weight", out);
            for (std::size_t i = 0; i < x[p].size(); ++i) x[p][i] += attended[i];
            const row in = norm(b + "ffn_norm.weight", x[p]);
            row gate = times(b + "ffn_gate.weight", in);
            const row up = times(b + "ffn_up.weight", in);
            for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
            const row down = times(b + "ffn_down.weight", gate);
            for (std::size_t i = 0; i < x[p].size(); ++i) x[p][i] += down[i];
        }
    }
    return times(f.tied_head ? "token_embd.weight" : "output.weight", norm("output_norm.weight", x.back()));
}

inline std::vector<al::token_id> prompt(std::size_t size, std::uint64_t seed) {
    al::random_stream random{.seed = seed};
    std::vector<al::token_id> out(size);
    for (auto& t : out) t = al::token_id(random.below(facts.vocabulary));
    return out;
}

} // namespace tiny
