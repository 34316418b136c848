// SPDX-License-Identifier: Apache-2.0
// Carries out a batch: slices for the model, their KV's pages to the transfers that wait for them, and of each slice
// that asks for it the next token, drawn within its tenant's grammar. The router hears each result as it is there.
//
//     model_runner runner(model, kv, all, mask_words, line, {.between_layers = ..., .while_sampling = ...});
//     runner.run(batch);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/model/llama.hpp>

#include "compute.hpp"
#include "kv_store.hpp"
#include "link.hpp"
#include "tenants.hpp"
#include "wire.hpp"

namespace serve {

class model_runner {
public:
    // What else an engine has to do while it computes.
    struct hooks {
        std::function<bool()> between_layers; // whether to go on: nobody may want the rest
        std::function<void()> while_sampling; // every some milliseconds: masks take long to find
    };
    // `mask_words`: of a bit for each token of the vocabulary.
    model_runner(computer& model, kv_store& kv, tenants& all, std::size_t mask_words, link& line, hooks meanwhile)
        : model_(model), kv_(kv), all_(all), line_(line), meanwhile_(std::move(meanwhile)), allowed_(mask_words) {}

    void run(const wire::batch& b);
    void count(wire::counters& into) const;

private:
    struct share { // of a batch: one slice
        tenant* of;
        const wire::item* item;
        std::uint32_t position, count;
        bool logits;
    };
    void add_shares(const wire::batch& b, const wire::item& item);
    void forward(const wire::batch& b, std::span<const share> shares);
    void sample(const wire::batch& b, const wire::item& item, tenant& one, std::size_t i, std::uint32_t position);
    // Which tokens a grammar allows at `position`; empty: there is no grammar. unsupported: none. `over`: only an end.
    ashlar::result<std::span<const std::uint64_t>> mask_of(tenant& one, std::uint32_t position, bool& over);
    void say(const wire::to_router& frame) { line_.queue(frame); }

    computer& model_;
    kv_store& kv_;
    tenants& all_;
    link& line_;
    const hooks meanwhile_;
    std::vector<share> shares_;
    std::vector<ashlar::model::slice> slices_;
    std::vector<std::uint64_t> allowed_; // the mask of one answer
    std::uint64_t batches_ = 0, batch_tokens_ = 0, busy_ns_ = 0;
};

} // namespace serve
