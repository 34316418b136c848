// SPDX-License-Identifier: Apache-2.0
// kv_hit_rates [TRACES | --generated]: blocks of 16 tokens that a prefix index finds, in percent of those that prompts
// ask for, for every eviction policy and several pools, as a table in Markdown. TRACES is a file or a folder (or
// $ASHLAR_TRACES); --generated takes a made-up one, small enough to be a test. Beside them Belady's MIN, which knows
// the future and may even drop what a request still holds: a bound, and one that no policy may exceed (exit 1).
#include "kv_replay.hpp"
#include "kv_trace.hpp"

#include <ashlar/kv/cost_aware.hpp>
#include <ashlar/kv/radix_index.hpp>
#include <ashlar/kv/s3_fifo.hpp>
#include <ashlar/kv/slru.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <queue>
#include <utility>
#include <vector>

using namespace ashlar;

namespace {
constexpr std::uint32_t block = 16;

template <class Policy>
double hit_percent(const kv_trace& trace, std::uint32_t pages) {
    kv_replay<kv::radix_index<Policy>> state({.pages = pages, .tokens_per_block = block, .salt = {1, 2}});
    std::vector<token_id> tokens;
    std::vector<std::uint32_t> used;
    std::uint64_t hits = 0, blocks = 0;
    for (const auto& prompt : trace.prompts) {
        kv_trace::expand(prompt, tokens);
        hits += state.run(tokens, used);
        blocks += used.size();
    }
    return 100.0 * static_cast<double>(hits) / static_cast<double>(blocks);
}

// MIN evicts what is used again last. A prefix is always used before what continues it, so it keeps prefixes whole.
double belady_percent(const kv_trace& trace, std::uint32_t pages) {
    constexpr std::uint32_t per_id = kv_trace::tokens_per_id / block;
    struct access {
        std::uint32_t what, again; // a block; the number of its next access, or beyond all of them
        bool counts;               // not the block that a full hit leaves to compute
    };
    std::vector<access> accesses;
    std::uint32_t blocks = 0;
    for (const auto& prompt : trace.prompts) {
        for (std::uint32_t i = 0; i < prompt.tokens / block; ++i) {
            const std::uint32_t what = prompt.ids[i / per_id] * per_id + i % per_id;
            accesses.push_back({what, 0, (i + 1) * block < prompt.tokens});
            blocks = std::max(blocks, what + 1);
        }
    }
    std::vector<std::uint32_t> next(blocks, UINT32_MAX);
    for (std::size_t i = accesses.size(); i-- > 0;) {
        accesses[i].again = std::exchange(next[accesses[i].what], static_cast<std::uint32_t>(i));
    }
    std::vector<std::uint32_t> due(blocks); // of those in the pool; 0: not there
    std::priority_queue<std::pair<std::uint32_t, std::uint32_t>> by_due;
    std::uint64_t hits = 0;
    std::uint32_t held = 0;
    for (const access& a : accesses) {
        if (due[a.what]) {
            hits += a.counts;
        } else if (++held > pages) {
            while (due[by_due.top().second] != by_due.top().first) by_due.pop(); // was used since
            due[by_due.top().second] = 0;
            by_due.pop();
            --held;
        }
        due[a.what] = a.again;
        by_due.push({a.again, a.what});
    }
    return 100.0 * static_cast<double>(hits) / static_cast<double>(accesses.size());
}

// Conversations in turns behind one of four system prompts; some prompts come once.
kv_trace generated() {
    kv_trace trace{.name = "generated", .prompts = {}};
    random_stream random{.seed = 1};
    std::vector<std::vector<std::uint32_t>> conversations;
    std::uint32_t id = 4;
    for (int i = 0; i < 800; ++i) {
        std::vector<std::uint32_t> once;
        const bool again = !conversations.empty() && random.chance(0.6f);
        if (!again) conversations.push_back({static_cast<std::uint32_t>(random.below(4))});
        auto& ids = random.chance(0.2f)
                        ? once
                        : conversations[again ? random.below(conversations.size()) : conversations.size() - 1];
        for (std::uint64_t turns = 1 + random.below(4); turns; --turns) ids.push_back(id++);
        const auto tokens = static_cast<std::uint32_t>(ids.size()) * kv_trace::tokens_per_id;
        trace.prompts.push_back({tokens, ids}); // a next turn begins where this one ended
    }
    return trace;
}
} // namespace

int main(int count, char** arguments) {
    const char* path = count > 1 ? arguments[1] : nullptr;
    std::vector<kv_trace> traces;
    if (path && std::strcmp(path, "--generated") == 0)
        traces.push_back(generated());
    else
        traces = kv_trace::read_or_exit(path, "");
    std::printf("| trace | pool, %% of its blocks | pages | LRU | SLRU | S3-FIFO | cost-aware | Belady |\n"
                "|---|---|---|---|---|---|---|---|\n");
    bool bounded = true;
    for (const kv_trace& trace : traces) {
        for (const std::uint32_t percent : {1, 3, 10, 30}) {
            const auto pages = static_cast<std::uint32_t>(std::uint64_t{trace.unique_blocks(block)} * percent / 100);
            std::uint32_t longest = 0;
            for (const auto& prompt : trace.prompts) longest = std::max(longest, prompt.tokens / block);
            if (pages < longest) continue;
            const double rates[] = {hit_percent<kv::lru>(trace, pages), hit_percent<kv::slru>(trace, pages),
                                    hit_percent<kv::s3_fifo>(trace, pages), hit_percent<kv::cost_aware>(trace, pages),
                                    belady_percent(trace, pages)};
            std::printf("| %s | %u | %u |", trace.name.c_str(), percent, pages);
            for (const double rate : rates) {
                std::printf(" %.1f |", rate);
                bounded = bounded && rate <= rates[4];
            }
            std::printf("\n");
            std::fflush(stdout);
        }
    }
    return bounded ? 0 : 1;
}
