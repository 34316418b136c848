// SPDX-License-Identifier: Apache-2.0
// A decoder: architecture, processor and cache layout put together at compile time. `forward` takes a batch of slices,
// prefill chunks and single decode tokens alike, writes their keys and values into the cache's pages, and leaves the
// logits of those that asked. All memory is allocated by `make`.
//
//     using engine = model::decoder<model::llama, kernel::cpu, kv::block_first<f16, kv::tokens<16>>>;
//     auto llm = engine::make(facts, {.tokens = 512, .slices = 64, .context = 8192}, by_name, workers, culprit);
//     llm->forward(batch, layout, pool, workers, [&](layer_id done) { transfer.push(done); });
//     token_id next = kernel::greedy(llm->logits(0));
//
// Batch-invariant: the logits of a request are the same bits whatever shares its batch, however its prompt is cut into
// chunks, whatever the number of workers, on every processor. Not for use from several threads at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/workers.hpp>
#include <ashlar/kernel/attention.hpp>
#include <ashlar/kernel/cache_vector.hpp>
#include <ashlar/kernel/matmul.hpp>
#include <ashlar/kernel/norm.hpp>
#include <ashlar/kernel/rope.hpp>
#include <ashlar/model/llama.hpp>
#include <ashlar/model/llama_weights.hpp>

namespace ashlar::inline v0::model {

template <class Architecture, class Kernel, class Cache>
class decoder {
    static_assert(sizeof(Architecture) == 0, "decoder<Architecture, Kernel, Cache>: Architecture is model::llama");
};

template <class Cache>
concept cache_layout = requires(const Cache& c, std::byte* pool) {
    typename Cache::value_type;
    { Cache::tokens_per_block + 0u };
    { c.shape.layers + c.shape.kv_heads + c.shape.head_dim + c.shape.blocks };
    { c.view(pool, layer_id{}).at(0, plane::key, 0, 0) };
};

template <class Kernel, class Cache>
class decoder<llama, Kernel, Cache> {
    static_assert(
        requires {
            typename Kernel::nibbles;
            Kernel::tile_tokens;
        }, "decoder<llama, Kernel, Cache>: Kernel is kernel::cpu, or one of kernel::avx512, avx2, portable");
    static_assert(cache_layout<Cache>,
                  "decoder<llama, Kernel, Cache>: Cache is a layout, such as kv::block_first<f16, kv::tokens<16>>");

public:
    // See llama_weights::load. exhausted: a limit is 0 or above the model's context.
    template <class Weights, workers W>
    static result<decoder> make(const llama_facts& f, const limits& most, Weights&& by_name, W& threads,
                                tensor_name& culprit) {
        culprit = {};
        if (most.tokens == 0 || most.slices == 0 || most.context == 0 || most.context > f.context) {
            return {errc::exhausted, origin::model};
        }
        auto weights = llama_weights::load(f, by_name, threads, culprit);
        if (!weights) return weights.error();
        return decoder(f, most, std::move(weights).value());
    }

    // `pool`: what `layout` describes. on_layer(layer_id) is called on the caller's thread once the keys and values
    // of the whole batch are in that layer's pages, before anything reads them: the moment to send them on. An error
    // says what the batch asks beyond the limits (exhausted), the model or its pages (out_of_range,
    // invalid_argument); then nothing has been written. on_layer may return whether to go on: false ends the batch
    // there, with `cancelled`, and leaves no logits.
    template <workers W, class OnLayer>
    result<void> forward(std::span<const slice> batch, const Cache& layout, std::byte* pool, W& threads,
                         OnLayer&& on_layer) {
        if (auto ok = plan(batch, layout); !ok) return ok;
        const std::uint32_t q_width = f_.heads * f_.head_dim, kv_width = f_.kv_heads * f_.head_dim;
        rows(threads, rows_, [&](std::size_t r) {
            const slice& s = batch[slice_of_[r]];
            kernel::unpack_row(weights_.embedding(), static_cast<std::uint32_t>(s.tokens[r - first_row_[slice_of_[r]]]),
                               x(r));
        });
        std::size_t live = rows_; // after the last layer's keys and values only the rows with logits go on
        for (std::uint32_t l = 0; l < f_.layers; ++l) {
            const auto& w = weights_.at(l);
            normalise(threads, live, w.attention_norm);
            const bool biased = w.q_bias != nullptr;
            if (biased) {
                rows(threads, live, [&](std::size_t r) {
                    std::copy_n(w.q_bias, q_width, q_.data() + r * q_width);
                    std::copy_n(w.k_bias, kv_width, k_.data() + r * kv_width);
                    std::copy_n(w.v_bias, kv_width, v_.data() + r * kv_width);
                });
            }
            const kernel::product qkv[] = {{&w.q, q_.data(), q_width, biased},
                                           {&w.k, k_.data(), kv_width, biased},
                                           {&w.v, v_.data(), kv_width, biased}};
            kernel::matmul<Kernel>(threads, h_.data(), f_.hidden, live, qkv);
            auto view = layout.view(pool, layer_id{l});
            rows(threads, live, [&](std::size_t r) { place(batch, r, w, view); });
            if constexpr (std::is_void_v<decltype(on_layer(layer_id{l}))>) {
                on_layer(layer_id{l});
            } else if (!on_layer(layer_id{l})) {
                return {errc::cancelled, origin::model};
            }
            if (l + 1 == f_.layers && (live = keep_wanted(batch)) == 0) return {};

            attend(batch, view, threads);
            const kernel::product output[] = {{&w.output, x_.data(), f_.hidden, true}};
            kernel::matmul<Kernel>(threads, a_.data(), q_width, live, output);
            normalise(threads, live, w.ffn_norm);
            const kernel::product in[] = {{&w.gate, gate_.data(), f_.ffn, false}, {&w.up, up_.data(), f_.ffn, false}};
            kernel::matmul<Kernel>(threads, h_.data(), f_.hidden, live, in);
            rows(threads, live, [&](std::size_t r) {
                float* gate = gate_.data() + r * f_.ffn;
                kernel::swiglu<Kernel>(gate, up_.data() + r * f_.ffn, f_.ffn, gate);
            });
            const kernel::product down[] = {{&w.down, x_.data(), f_.hidden, true}};
            kernel::matmul<Kernel>(threads, gate_.data(), f_.ffn, live, down);
        }
        normalise(threads, live, weights_.norm());
        const kernel::product head[] = {{&weights_.head(), logits_.data(), f_.vocabulary, false}};
        kernel::matmul<Kernel>(threads, h_.data(), f_.hidden, live, head);
        wanted_ = live;
        return {};
    }

    // Of the i-th slice of the last batch that asked; valid until the next forward.
    std::span<const float> logits(std::size_t i) const {
        ASHLAR_ASSERT(i < wanted_);
        return {logits_.data() + i * f_.vocabulary, f_.vocabulary};
    }

    const llama_facts& facts() const { return f_; }
    const limits& most() const { return most_; }
    std::size_t weight_bytes() const { return weights_.bytes(); }

private:
    struct tile { // consecutive tokens of a slice that attend together
        std::uint32_t slice, row, position, tokens;
    };

    decoder(const llama_facts& f, const limits& most, llama_weights weights)
        : f_(f), most_(most), weights_(std::move(weights)),
          turns_(most.context, f.head_dim, f.rope_base, weights_.rope_factors()),
          x_(std::size_t{most.tokens} * f.hidden), h_(x_.size()), q_(std::size_t{most.tokens} * f.heads * f.head_dim),
          a_(q_.size()), k_(std::size_t{most.tokens} * f.kv_heads * f.head_dim), v_(k_.size()),
          gate_(std::size_t{most.tokens} * f.ffn), up_(gate_.size()), logits_(std::size_t{most.slices} * f.vocabulary),
          slice_of_(most.tokens), first_row_(most.slices),
          tiles_(std::size_t{most.tokens} / kernel::query_tile + most.slices + 1) {}

    float* x(std::size_t row) { return x_.data() + row * f_.hidden; }

    // Calls body(row) for every row, a few to a task.
    template <class W, class Body>
    static void rows(W& threads, std::size_t count, Body&& body) {
        constexpr std::size_t share = 8;
        threads.parallel_for((count + share - 1) / share, [&](std::size_t i) {
            for (std::size_t r = i * share; r < std::min(count, (i + 1) * share); ++r) body(r);
        });
    }

    // Refuses what cannot be done; else says which row and tile belongs to which slice.
    result<void> plan(std::span<const slice> batch, const Cache& layout) {
        wanted_ = rows_ = 0;
        tiles_.clear();
        const auto& shape = layout.shape;
        if (shape.layers != f_.layers || shape.kv_heads != f_.kv_heads || shape.head_dim != f_.head_dim ||
            batch.empty()) {
            return {errc::invalid_argument, origin::model};
        }
        if (batch.size() > most_.slices) return {errc::exhausted, origin::model};
        for (std::uint32_t i = 0; i < batch.size(); ++i) {
            const slice& s = batch[i];
            if (s.tokens.empty()) return {errc::invalid_argument, origin::model};
            if (s.tokens.size() > most_.tokens - rows_) return {errc::exhausted, origin::model};
            const std::uint64_t end = std::uint64_t{s.position} + s.tokens.size();
            std::uint64_t room = 0;
            for (block_run run : s.runs) {
                if (std::uint64_t{run.first} + run.count > shape.blocks) return {errc::out_of_range, origin::model};
                room += std::uint64_t{run.count} * Cache::tokens_per_block;
            }
            if (end > most_.context || end > room) return {errc::out_of_range, origin::model};
            for (token_id t : s.tokens) {
                if (t < 0 || static_cast<std::uint32_t>(t) >= f_.vocabulary) return {errc::out_of_range, origin::model};
            }
            first_row_[i] = static_cast<std::uint32_t>(rows_);
            const auto size = static_cast<std::uint32_t>(s.tokens.size());
            for (std::uint32_t t = 0; t < size; t += kernel::query_tile) {
                const bool kept =
                    tiles_.push_back({i, first_row_[i] + t, s.position + t, std::min(kernel::query_tile, size - t)});
                ASHLAR_ASSERT(kept);
            }
            std::fill_n(slice_of_.data() + rows_, size, i);
            rows_ += size;
        }
        return {};
    }

    template <class W>
    void normalise(W& threads, std::size_t live, const float* weight) {
        rows(threads, live, [&](std::size_t r) {
            kernel::rms_norm<Kernel>(x(r), weight, f_.hidden, f_.rms_epsilon, h_.data() + r * f_.hidden);
        });
    }

    // Turns the row's queries in place, its keys on their way into the page; values go as they are.
    template <class View>
    void place(std::span<const slice> batch, std::size_t r, const llama_weights::layer& w, View view) {
        using T = typename Cache::value_type;
        const slice& s = batch[slice_of_[r]];
        const auto position = static_cast<std::uint32_t>(s.position + (r - first_row_[slice_of_[r]]));
        const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(f_.head_dim));
        float* q = q_.data() + r * f_.heads * f_.head_dim;
        for (std::uint32_t h = 0; h < f_.heads; ++h, q += f_.head_dim) {
            if (w.q_norm) kernel::rms_norm<Kernel>(q, w.q_norm, f_.head_dim, f_.rms_epsilon, q);
            kernel::rotate<Kernel>(turns_, position, q, scale, q);
            kernel::turn_to_keys<T>(q, f_.head_dim);
        }
        view.runs = s.runs;
        const std::uint32_t block = view.block(position / Cache::tokens_per_block);
        const std::uint32_t token = position % Cache::tokens_per_block;
        for (std::uint32_t h = 0; h < f_.kv_heads; ++h) {
            const std::size_t from = (r * f_.kv_heads + h) * f_.head_dim;
            float* key = k_.data() + from;
            if (w.k_norm) kernel::rms_norm<Kernel>(key, w.k_norm, f_.head_dim, f_.rms_epsilon, key);
            kernel::rotate<Kernel>(turns_, position, key, 1.0f, key);
            kernel::turn_to_keys<T>(key, f_.head_dim);
            kernel::store_vector<Kernel>(key, f_.head_dim, view.at(block, plane::key, h, token));
            kernel::store_vector<Kernel>(v_.data() + from, f_.head_dim, view.at(block, plane::value, h, token));
        }
    }

    // Moves the rows whose logits are asked for to the front; returns how many.
    std::size_t keep_wanted(std::span<const slice> batch) {
        const std::size_t q_width = std::size_t{f_.heads} * f_.head_dim;
        std::uint32_t kept = 0;
        tiles_.clear();
        for (std::uint32_t i = 0; i < batch.size(); ++i) {
            if (!batch[i].logits) continue;
            const auto last = static_cast<std::uint32_t>(batch[i].tokens.size() - 1);
            const std::size_t row = first_row_[i] + last; // at or after `kept`: what it overwrites is done with
            std::copy_n(x(row), f_.hidden, x(kept));
            std::copy_n(q_.data() + row * q_width, q_width, q_.data() + kept * q_width);
            const bool room = tiles_.push_back({i, kept++, batch[i].position + last, 1});
            ASHLAR_ASSERT(room);
        }
        return kept;
    }

    // One task a (tile, KV head), whose query heads share its pages; one a (tile, query head) where workers would idle.
    template <class View, class W>
    void attend(std::span<const slice> batch, const View& layer, W& threads) {
        const std::size_t width = std::size_t{f_.heads} * f_.head_dim;
        const std::uint32_t group = f_.heads / f_.kv_heads;
        const bool few = tiles_.size() * f_.kv_heads < static_cast<std::size_t>(threads.size());
        const std::uint32_t parts = few ? f_.heads : f_.kv_heads, heads = few ? 1 : group;
        const std::size_t tasks = tiles_.size() * parts;
        threads.parallel_for(tasks, [&](std::size_t i) {
            i = tasks - 1 - i; // the longest first
            const tile& t = tiles_[i / parts];
            auto view = layer;
            view.runs = batch[t.slice].runs;
            kernel::attend<Kernel>(view,
                                   {.query = q_.data() + t.row * width,
                                    .query_stride = width,
                                    .out = a_.data() + t.row * width,
                                    .out_stride = width,
                                    .position = t.position,
                                    .tokens = t.tokens},
                                   f_.heads, static_cast<std::uint32_t>(i % parts) * heads, heads);
        });
    }

    llama_facts f_;
    limits most_;
    llama_weights weights_;
    kernel::rope_table turns_;
    // Activations, a row a token: residual stream, its norm, queries, attended, keys, values, the FFN's halves.
    fixed_array<float> x_, h_, q_, a_, k_, v_, gate_, up_, logits_;
    fixed_array<std::uint32_t> slice_of_, first_row_;
    bounded_vector<tile> tiles_;
    std::size_t rows_ = 0, wanted_ = 0;
};

} // namespace ashlar::inline v0::model
