// SPDX-License-Identifier: Apache-2.0
// A decoder over a model file with its own pages, for one sequence at a time: what golden.logits, golden.greedy and
// golden.models drive.
#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/model/decoder.hpp>

#include <golden/golden.hpp>
#include <support/thread_pool.hpp>

namespace golden {

template <class T>
class engine {
public:
    using layout = ashlar::kv::block_first<T, ashlar::kv::tokens<16>>;
    using decoder = ashlar::model::decoder<ashlar::model::llama, ashlar::kernel::cpu, layout>;
    static constexpr std::uint32_t blocks = 32;

    template <class File> // support::gguf_file, or another with facts() and tensor(name)
    engine(const File& file, ashlar::support::thread_pool& threads)
        : threads_(&threads), facts_(facts_of(file)), layout_{.shape = {.layers = facts_.layers,
                                                                        .kv_heads = facts_.kv_heads,
                                                                        .head_dim = facts_.head_dim,
                                                                        .blocks = blocks}},
          pool_(layout_.bytes()), decoder_(make(file)) {}

    const ashlar::model::llama_facts& facts() const { return facts_; }

    void forward(std::span<const ashlar::model::slice> batch) {
        if (!decoder_.forward(batch, layout_, pool_.data(), *threads_, [](ashlar::layer_id) {}))
            stop("the decoder refuses a batch");
    }
    // One slice; the logits of its last token.
    std::span<const float> append(std::span<const ashlar::token_id> ids, std::uint32_t position) {
        const ashlar::model::slice all[] = {{.tokens = ids, .position = position, .runs = runs_, .logits = true}};
        forward(all);
        return decoder_.logits(0);
    }
    // The logits after every token: each token a slice of its own, all in one batch.
    template <class Use>
    void every_position(std::span<const ashlar::token_id> ids, Use&& use) {
        constexpr std::uint32_t at_once = 64;
        for (std::uint32_t from = 0; from < ids.size(); from += at_once) {
            std::vector<ashlar::model::slice> batch;
            for (std::uint32_t p = from; p < std::min<std::size_t>(from + at_once, ids.size()); ++p)
                batch.push_back({.tokens = ids.subspan(p, 1), .position = p, .runs = runs_, .logits = true});
            forward(batch);
            for (std::uint32_t i = 0; i < batch.size(); ++i) use(from + i, decoder_.logits(i));
        }
    }

private:
    template <class File>
    static ashlar::model::llama_facts facts_of(const File& file) {
        auto facts = file.facts();
        if (!facts) stop(facts.fault().sentence);
        return *facts;
    }
    template <class File>
    decoder make(const File& file) {
        const auto by_name = [&](std::string_view name) -> ashlar::result<ashlar::kernel::weight_view> {
            auto found = file.tensor(name);
            if (!found) return found.fault().what;
            return *found;
        };
        ashlar::model::tensor_name culprit;
        const std::uint32_t context = std::min(blocks * 16, facts_.context);
        auto made =
            decoder::make(facts_, {.tokens = context, .slices = 64, .context = context}, by_name, *threads_, culprit);
        if (!made) stop("no decoder: " + std::string(to_string(made.error().code)) + " " + std::string(culprit.view()));
        return std::move(made).value();
    }

    ashlar::support::thread_pool* threads_;
    ashlar::model::llama_facts facts_;
    layout layout_;
    std::vector<std::byte> pool_;
    decoder decoder_;
    ashlar::block_run runs_[1] = {{.first = 0, .count = blocks}};
};

} // namespace golden
