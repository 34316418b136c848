// SPDX-License-Identifier: Apache-2.0
// kv_index [TRACE] [--repetitions N] [--only ours|chain|peer|none] [--prompts N]: the Mooncake conversation trace (a
// file or a folder; or $ASHLAR_TRACES) through a prefix index in blocks of 16 tokens, with a pool of 10 % of the
// trace's blocks: look up, evict, insert, release. Prints nanoseconds a block of ours and of a peer that does the same
// with absl::flat_hash_map and an intrusive list, whole replays in turn; tokens are expanded outside the clock. Every
// page that either gives to a block is compared. `--only` replays once, for callgrind to count.
//
// The peer hashes the way absl does it best, absl::HashOf(parent's hash, tokens), takes the 64 bits for the block
// without comparing its tokens, and has no tree: less than ours does.
#include "kv_replay.hpp"
#include "kv_trace.hpp"

#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/radix_index.hpp>

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

using namespace ashlar;
using pages_of = std::vector<std::uint32_t>;

namespace {
class peer_replay {
public:
    explicit peer_replay(const kv::prefix_index_options& options)
        : pages_max_(options.pages), size_(options.tokens_per_block), nodes_(options.pages + std::size_t{1}) {
        by_key_.reserve(options.pages);
        end_ = options.pages;
        nodes_[end_] = {0, end_, end_};
    }

    std::uint32_t run(std::span<const token_id> tokens, pages_of& pages) {
        pages.resize(tokens.size() / size_);
        const std::size_t limit = tokens.empty() ? 0 : (tokens.size() - 1) / size_;
        std::uint32_t hits = 0;
        std::uint64_t key = 0, next = 0;
        bool ahead = false; // `next` is the key of block `hits`
        for (; hits < limit; ++hits, key = next) {
            next = extend(key, tokens, hits);
            const auto found = by_key_.find(next);
            if ((ahead = found == by_key_.end())) break;
            unlink(pages[hits] = found->second);
        }
        for (std::size_t i = hits; i < pages.size(); ++i, key = next) {
            if (!std::exchange(ahead, false)) next = extend(key, tokens, i);
            const std::uint32_t page = take();
            const auto [at, added] = by_key_.try_emplace(next, page);
            pages[i] = at->second;
            if (added)
                nodes_[page].key = next;
            else
                spare_ = page, unlink(pages[i]);
        }
        for (std::size_t i = pages.size(); i-- > 0;) push_newest(pages[i]);
        return hits;
    }
    std::uint64_t evictions() const { return evictions_; }

private:
    struct node {
        std::uint64_t key;
        std::uint32_t older, newer;
    };
    struct hashed_already {
        std::size_t operator()(std::uint64_t key) const { return key; }
    };
    std::uint64_t extend(std::uint64_t parent, std::span<const token_id> tokens, std::size_t i) const {
        const char* block = reinterpret_cast<const char*>(tokens.data() + i * size_);
        return absl::HashOf(parent, absl::string_view(block, size_ * sizeof(token_id)));
    }
    void unlink(std::uint32_t page) {
        const node& n = nodes_[page];
        nodes_[n.older].newer = n.newer;
        nodes_[n.newer].older = n.older;
    }
    void push_newest(std::uint32_t page) {
        node& end = nodes_[end_];
        nodes_[page].older = end.older;
        nodes_[page].newer = end_;
        nodes_[end.older].newer = page;
        end.older = page;
    }
    std::uint32_t take() {
        if (spare_ != kv::no_page) return std::exchange(spare_, kv::no_page);
        if (unused_ < pages_max_) return unused_++;
        ++evictions_;
        const std::uint32_t page = nodes_[end_].newer;
        unlink(page);
        by_key_.erase(nodes_[page].key);
        return page;
    }

    std::uint32_t pages_max_, size_, end_, unused_ = 0, spare_ = kv::no_page;
    std::vector<node> nodes_; // the last one closes the list: its newer is the oldest
    absl::flat_hash_map<std::uint64_t, std::uint32_t, hashed_already> by_key_;
    std::uint64_t evictions_ = 0;
};

struct replayed {
    double ns_per_block = 0;
    std::uint64_t blocks = 0, hits = 0, evictions = 0, check = 0;
    bool same_as(const replayed& other) const {
        return blocks == other.blocks && hits == other.hits && evictions == other.evictions && check == other.check;
    }
};

template <class Replay>
replayed replay(const kv_trace& trace, const kv::prefix_index_options& options) {
    using clock = std::chrono::steady_clock;
    Replay state(options);
    replayed sum;
    clock::duration time{};
    std::vector<token_id> tokens;
    pages_of pages;
    for (const auto& prompt : trace.prompts) {
        kv_trace::expand(prompt, tokens);
        const auto start = clock::now();
        const std::uint32_t hits = state.run(tokens, pages);
        time += clock::now() - start;
        sum.hits += hits;
        sum.blocks += pages.size();
        for (std::uint32_t page : pages) sum.check = (sum.check ^ page) * 0x9e3779b97f4a7c15u;
        sum.check = (sum.check ^ hits) * 0x9e3779b97f4a7c15u;
    }
    sum.evictions = state.evictions();
    sum.ns_per_block = std::chrono::duration<double, std::nano>(time).count() / static_cast<double>(sum.blocks);
    return sum;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}
} // namespace

int main(int count, char** arguments) {
    const char* path = nullptr;
    std::string only;
    std::size_t repetitions = 11, prompts = SIZE_MAX;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument == "--only" && i + 1 < count)
            only = arguments[++i];
        else if (argument == "--repetitions" && i + 1 < count)
            repetitions = std::max(std::size_t{1}, std::size_t{std::strtoul(arguments[++i], nullptr, 10)});
        else if (argument == "--prompts" && i + 1 < count)
            prompts = std::strtoul(arguments[++i], nullptr, 10);
        else
            path = arguments[i];
    }
    kv_trace trace = kv_trace::read_or_exit(path, "conversation").front();
    if (trace.prompts.size() > prompts) trace.prompts.resize(prompts);
    const std::uint32_t size = 16, unique = trace.unique_blocks(size);
    const kv::prefix_index_options options{.pages = unique / 10, .tokens_per_block = size, .salt = {1, 2}};
    using ours_replay = kv_replay<kv::radix_index<kv::lru>>;
    using chain_replay = kv_replay<kv::chain_index<kv::lru>>;

    if (!only.empty()) {
        const replayed r = only == "ours"    ? replay<ours_replay>(trace, options)
                           : only == "chain" ? replay<chain_replay>(trace, options)
                           : only == "peer"  ? replay<peer_replay>(trace, options)
                                             : replayed{};
        if (only == "none") { // what all of them do besides
            std::vector<token_id> tokens;
            for (const auto& prompt : trace.prompts) kv_trace::expand(prompt, tokens);
        }
        std::printf("{\"ns\": %.2f, \"blocks\": %llu, \"hits\": %llu, \"evictions\": %llu}\n", r.ns_per_block,
                    static_cast<unsigned long long>(r.blocks), static_cast<unsigned long long>(r.hits),
                    static_cast<unsigned long long>(r.evictions));
        return 0;
    }
    const replayed expected = replay<chain_replay>(trace, options);
    std::vector<double> ours, peers, ratios;
    for (std::size_t i = 0; i < repetitions; ++i) {
        replayed a, b;
        if (i % 2) b = replay<peer_replay>(trace, options);
        a = replay<ours_replay>(trace, options);
        if (i % 2 == 0) b = replay<peer_replay>(trace, options);
        if (!a.same_as(expected) || !b.same_as(expected)) {
            std::fprintf(stderr, "ours and the peer differ: hits %llu and %llu, evictions %llu and %llu\n",
                         static_cast<unsigned long long>(a.hits), static_cast<unsigned long long>(b.hits),
                         static_cast<unsigned long long>(a.evictions), static_cast<unsigned long long>(b.evictions));
            return 1;
        }
        ours.push_back(a.ns_per_block);
        peers.push_back(b.ns_per_block);
        ratios.push_back(b.ns_per_block / a.ns_per_block);
        std::fprintf(stderr, "repetition %zu of %zu: ours %.1f ns a block, peer %.1f\n", i + 1, repetitions,
                     a.ns_per_block, b.ns_per_block);
    }
    std::printf("{\"ours\": %.4g, \"peer\": %.4g, \"peer_name\": \"absl::flat_hash_map %d\", \"ratio\": %.4g, "
                "\"min\": %.4g, \"max\": %.4g, \"n\": %zu, \"unit\": \"ns a block\", \"chain\": %.4g, \"pages\": %u, "
                "\"blocks\": %llu, \"hits\": %llu, \"evictions\": %llu}\n",
                median(ours), median(peers), ABSL_LTS_RELEASE_VERSION, median(peers) / median(ours),
                *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()),
                repetitions, expected.ns_per_block, options.pages, static_cast<unsigned long long>(expected.blocks),
                static_cast<unsigned long long>(expected.hits), static_cast<unsigned long long>(expected.evictions));
}
