// SPDX-License-Identifier: Apache-2.0
// How fast one process decodes and prefills: `serve.decode` and `serve.prefill` without a server around them.
//
//     ashlar-bench-model-decoder --model m.gguf --threads 2 --prompt 512 --decode 64 --rounds 7 [--sequences 1]
//
// Prints one JSON line: medians and ranges of tokens per second, for prompts of random tokens, one in a batch, for the
// tokens behind them, all sequences in one batch, and for generated tokens over the whole time. The peer of the first
// two is bench/peers/llama_cpp.py, which prints the same for llama.cpp; the last is that of `serve.overhead`.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/kernel.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/model.hpp>

#include <support/model_file.hpp>
#include <support/thread_pool.hpp>

namespace {

namespace al = ashlar;
using cache = al::kv::block_first<al::f16, al::kv::tokens<16>>;
using engine = al::model::decoder<al::model::llama, al::kernel::cpu, cache>;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct rates {
    std::vector<double> values;
    void print(const char* name, const char* end) {
        std::sort(values.begin(), values.end());
        std::printf("\"%s_tok_s\": %.1f, \"%s_tok_s_min\": %.1f, \"%s_tok_s_max\": %.1f%s", name,
                    values[values.size() / 2], name, values.front(), name, values.back(), end);
    }
};

int fail(const std::string& sentence) {
    std::fprintf(stderr, "%s\n", sentence.c_str());
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    if (const auto words = al::kernel::missing(); !words.empty()) return fail(std::string(words));
    std::string path;
    std::uint32_t threads = 2, prompt = 512, decode = 64, rounds = 7, sequences = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string key = argv[i];
        const auto number = static_cast<std::uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
        if (key == "--model")
            path = argv[i + 1];
        else if (key == "--threads")
            threads = number;
        else if (key == "--prompt")
            prompt = number;
        else if (key == "--decode")
            decode = number;
        else if (key == "--rounds")
            rounds = number;
        else if (key == "--sequences")
            sequences = number;
        else
            return fail("unknown option " + key);
    }
    if (path.empty() || prompt == 0 || decode == 0 || rounds == 0 || sequences == 0) {
        return fail("usage: --model file.gguf|folder [--threads 2] [--prompt 512] [--decode 64] [--rounds 7] "
                    "[--sequences 1], numbers above zero");
    }

    auto file = al::support::model_file::open(path);
    if (!file) return fail(file.fault().sentence);
    const auto facts = file->facts();
    if (!facts) return fail(facts.fault().sentence);
    al::support::thread_pool pool(threads);
    al::model::tensor_name culprit;
    const double load_start = now();
    auto made = engine::make(
        *facts, {.tokens = std::max(prompt, sequences), .slices = sequences, .context = prompt + decode},
        [&](std::string_view name) -> al::result<al::kernel::weight_view> {
            const auto view = file->tensor(name);
            if (!view) return view.fault().what;
            return *view;
        },
        pool, culprit);
    if (!made) return fail(std::string(to_string(made.error().code)) + ": " + std::string(culprit.view()));
    engine llm = std::move(made).value();
    file->release_pages();
    const double load_s = now() - load_start;

    const std::uint32_t blocks = al::kv::blocks_for(prompt + decode, cache::tokens_per_block);
    const cache layout{.shape = {facts->layers, facts->kv_heads, facts->head_dim, blocks * sequences}};
    std::vector<std::byte> pages(layout.bytes());
    std::vector<al::block_run> runs;
    for (std::uint32_t i = 0; i < sequences; ++i) runs.push_back({i * blocks, blocks});
    al::random_stream random{.seed = 1};
    std::vector<al::token_id> tokens(prompt), last(sequences);
    for (auto& t : tokens) t = static_cast<al::token_id>(random.below(facts->vocabulary));
    const auto forward = [&](std::span<const al::model::slice> batch) {
        const auto ok = llm.forward(batch, layout, pages.data(), pool, [](al::layer_id) {});
        if (!ok) std::exit(fail("forward: " + std::string(to_string(ok.error().code))));
    };
    const auto prefill = [&](std::uint32_t i) {
        const al::model::slice one[] = {{tokens, 0, {&runs[i], 1}, true}};
        forward(one);
        last[i] = al::kernel::greedy(llm.logits(0));
    };
    std::vector<al::model::slice> batch;
    const auto step = [&](std::uint32_t position) {
        batch.clear();
        for (std::uint32_t i = 0; i < sequences; ++i) batch.push_back({{&last[i], 1}, position, {&runs[i], 1}, true});
        forward(batch);
        for (std::uint32_t i = 0; i < sequences; ++i) last[i] = al::kernel::greedy(llm.logits(i));
    };

    rates decoding, prefilling, generating;
    for (std::uint32_t round = 0; round <= rounds; ++round) { // the first warms up
        const double start = now();
        for (std::uint32_t i = 0; i < sequences; ++i) prefill(i);
        const double middle = now();
        for (std::uint32_t i = 0; i < decode; ++i) step(prompt + i);
        const double end = now();
        if (round == 0) continue;
        prefilling.values.push_back(double(sequences) * prompt / (middle - start));
        decoding.values.push_back(double(sequences) * decode / (end - middle));
        generating.values.push_back(double(sequences) * (decode + 1) / (end - start));
    }
    std::printf("{\"program\": \"ashlar\", \"kernel\": \"%s\", \"threads\": %u, \"prompt\": %u, \"decode\": %u, "
                "\"rounds\": %u, \"sequences\": %u, \"load_s\": %.2f, ",
                std::string(al::kernel::cpu::name).c_str(), threads, prompt, decode, rounds, sequences, load_s);
    decoding.print("decode", ", ");
    generating.print("generate", ", ");
    prefilling.print("prefill", "}\n");
}
