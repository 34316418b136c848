// SPDX-License-Identifier: Apache-2.0
// Tutorial 2: the KV memory of an engine. Two requests share the beginning of their prompts, and pay for it once.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <ashlar/kv.hpp>

namespace al = ashlar;

int main() {
    //! [open]
    al::kv::cache pages({.pages = 64,
                         .tokens_per_block = 16,
                         .sequences_max = 8,
                         .blocks_per_sequence_max = 16,
                         .leases_max = 8,
                         .salt = {1, 2}, // of the prefix keys: a secret in a server
                         .prefix_caching = true});

    std::vector<al::token_id> prompt(100);
    for (int i = 0; i < 100; ++i) prompt[i] = i;

    const al::request_id first{1}, second{2};
    auto a = pages.open(first, prompt, /*max_tokens=*/28); // 128 tokens: 8 blocks, all of them now
    if (!a) return EXIT_FAILURE;                           // exhausted: later; out_of_range: never
    //! [open]
    std::printf("first:  %u tokens cached, %u blocks in %zu runs\n", a->cached_tokens, pages.counts().owned,
                a->runs.size());

    //! [share]
    // ... the model writes keys and values into a->runs ... then full blocks may be found by others:
    if (!pages.commit(first, prompt)) return EXIT_FAILURE;

    prompt.back() = 7; // another question behind the same beginning
    auto b = pages.open(second, prompt, 28);
    if (!b) return EXIT_FAILURE;
    //! [share]
    std::printf("second: %u tokens cached, %u blocks in all\n", b->cached_tokens, pages.counts().owned);

    //! [close]
    (void)pages.close(first); // at any state: that is what cancel is
    (void)pages.close(second);
    const al::kv::page_counts& c = pages.counts();
    std::printf("closed: %u free + %u owned (%u of them cached) + %u leased + %u quarantined = %u\n", c.free, c.owned,
                c.cached, c.leased, c.quarantined, c.total);
    //! [close]
    return b->cached_tokens == 96 && pages.check() && c.owned == c.cached ? EXIT_SUCCESS : EXIT_FAILURE;
}
