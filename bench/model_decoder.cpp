// SPDX-License-Identifier: Apache-2.0
// How fast one process decodes and prefills: `serve.decode` and `serve.prefill` without a server around them.
//
//     ashlar-bench-model-decoder --model m.gguf --threads 2 --prompt 512 --decode 64 --rounds 7
//     ashlar-bench-model-decoder --model m.gguf --threads 2 --prompt 64 --sequences 8 --answers 192,96,… --rounds 7
//
// Prints one JSON line of medians and ranges of tokens per second. The first form: a prompt of random tokens, and the
// tokens behind it, one in a batch; its peer is bench/peers/llama_cpp.py, which prints the same for llama.cpp. The
// second, the peer of `serve.overhead`: answers of these lengths, so many sequences at a time; when one ends, the next
// prompt is computed and joins the others.
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

std::vector<std::uint32_t> numbers(const char* list) {
    std::vector<std::uint32_t> all;
    for (char* end = nullptr; *list; list = *end == ',' ? end + 1 : end) {
        all.push_back(static_cast<std::uint32_t>(std::strtoul(list, &end, 10)));
        if (end == list) return {0}; // which is refused
    }
    return all;
}

int fail(const std::string& sentence) {
    std::fprintf(stderr, "%s\n", sentence.c_str());
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    if (const auto words = al::kernel::missing(); !words.empty()) return fail(std::string(words));
    std::string path;
    std::uint32_t threads = 2, prompt = 512, decode = 64, rounds = 7, sequences = 1;
    std::vector<std::uint32_t> answers;
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
        else if (key == "--answers")
            answers = numbers(argv[i + 1]);
        else
            return fail("unknown option " + key);
    }
    if (answers.empty()) answers = {decode + 1};
    const auto [shortest, longest] = std::ranges::minmax(answers);
    if (path.empty() || prompt == 0 || shortest < 2 || rounds == 0 || sequences == 0) {
        return fail("usage: --model file.gguf|folder [--threads 2] [--prompt 512] [--decode 64] [--rounds 7] "
                    "[--sequences 1 --answers 192,96], numbers above zero, answers above one");
    }

    auto file = al::support::model_file::open(path);
    if (!file) return fail(file.fault().sentence);
    const auto facts = file->facts();
    if (!facts) return fail(facts.fault().sentence);
    al::support::thread_pool pool(threads);
    al::model::tensor_name culprit;
    const double load_start = now();
    auto made = engine::make(
        *facts, {.tokens = std::max(prompt, sequences), .slices = sequences, .context = prompt + longest},
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

    const std::uint32_t blocks = al::kv::blocks_for(prompt + longest, cache::tokens_per_block);
    const cache layout{.shape = {facts->layers, facts->kv_heads, facts->head_dim, blocks * sequences}};
    std::vector<std::byte> pages(layout.bytes());
    al::random_stream random{.seed = 1};
    std::vector<al::token_id> tokens(prompt);
    for (auto& t : tokens) t = static_cast<al::token_id>(random.below(facts->vocabulary));

    struct answer {
        al::block_run run;
        al::token_id last{};
        std::uint32_t position = 0, left = 0;
    };
    std::vector<answer> slots;
    for (std::uint32_t i = 0; i < sequences; ++i) slots.push_back({.run = {i * blocks, blocks}});
    std::vector<al::model::slice> batch;
    const auto forward = [&] {
        const auto ok = llm.forward(batch, layout, pages.data(), pool, [](al::layer_id) {});
        if (!ok) std::exit(fail("forward: " + std::string(to_string(ok.error().code))));
    };
    rates prefilling, decoding, generating;
    double batch_mean = 0;
    for (std::uint32_t round = 0; round <= rounds; ++round) { // the first warms up
        std::size_t next = 0, made = 0, steps = 0;
        const double start = now();
        double prefill_s = 0, decode_s = 0;
        for (;;) {
            const double began = now();
            for (answer& each : slots) {
                if (each.left || next == answers.size()) continue;
                batch = {{tokens, 0, {&each.run, 1}, true}};
                forward();
                each.last = al::kernel::greedy(llm.logits(0));
                each.position = prompt;
                each.left = answers[next++] - 1;
            }
            const double middle = now();
            batch.clear();
            for (answer& each : slots) {
                if (each.left) batch.push_back({{&each.last, 1}, each.position, {&each.run, 1}, true});
            }
            if (batch.empty()) break;
            forward();
            std::size_t row = 0;
            for (answer& each : slots) {
                if (each.left) each.last = al::kernel::greedy(llm.logits(row++)), ++each.position, --each.left;
            }
            made += row, ++steps;
            prefill_s += middle - began, decode_s += now() - middle;
        }
        if (round == 0) continue;
        prefilling.values.push_back(static_cast<double>(answers.size()) * prompt / prefill_s);
        decoding.values.push_back(static_cast<double>(made) / decode_s);
        generating.values.push_back(static_cast<double>(made + answers.size()) / (now() - start));
        batch_mean = static_cast<double>(made) / static_cast<double>(steps);
    }
    std::printf("{\"program\": \"ashlar\", \"kernel\": \"%s\", \"threads\": %u, \"prompt\": %u, \"answers\": %zu, "
                "\"rounds\": %u, \"sequences\": %u, \"batch_mean\": %.2f, \"load_s\": %.2f, ",
                std::string(al::kernel::cpu::name).c_str(), threads, prompt, answers.size(), rounds, sequences,
                batch_mean, load_s);
    decoding.print("decode", ", ");
    generating.print("generate", ", ");
    prefilling.print("prefill", "}\n");
}
