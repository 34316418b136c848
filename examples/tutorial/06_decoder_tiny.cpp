// SPDX-License-Identifier: Apache-2.0
// Tutorial 6: a decoder of random weights. Its logits are the same bits whether the prompt comes whole or in chunks.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <ashlar/kernel.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/model.hpp>

namespace al = ashlar;

//! [types]
using cache = al::kv::block_first<al::f16, al::kv::tokens<16>>;
using engine = al::model::decoder<al::model::llama, al::kernel::cpu, cache>;
constexpr al::model::llama_facts facts{.layers = 2, .hidden = 64, .ffn = 96, .heads = 4, .kv_heads = 2, .head_dim = 16,
                                       .vocabulary = 128, .context = 64, .rope_base = 1e4f, .rms_epsilon = 1e-5f,
                                       .tied_head = true};
//! [types]

// Weights by name, as a file reader gives them. Every number is a hash of its place.
struct random_weights {
    std::map<std::string, std::vector<float>, std::less<>> tensors;
    al::result<al::kernel::weight_view> operator()(std::string_view name) {
        const bool norm = name.find("norm") != name.npos, narrow = name.find("attn_k.") != name.npos ||
                                                                   name.find("attn_v.") != name.npos;
        const bool down = name.find("ffn_down") != name.npos, ffn = !norm && name.find("ffn_") != name.npos && !down;
        const std::uint32_t rows = norm ? 1 : name == "token_embd.weight" ? 128 : narrow ? 32 : ffn ? 96 : 64;
        const std::uint32_t columns = down ? 96 : 64;
        auto& values = tensors[std::string(name)];
        values.resize(std::size_t{rows} * columns);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto bits = al::mix(i * 131 + rows, name.size() + static_cast<unsigned char>(name[4]));
            values[i] = norm ? 1.0f : static_cast<float>(bits % 2001) / 5000.0f - 0.2f;
        }
        return al::kernel::weight_view{al::kernel::weight_format::f32, reinterpret_cast<std::byte*>(values.data()),
                                       rows, columns};
    }
};

int main() {
    al::serial_workers one;
    al::model::tensor_name culprit;
    auto llm = engine::make(facts, {.tokens = 64, .slices = 4, .context = 64}, random_weights{}, one, culprit);
    if (!llm) return EXIT_FAILURE; // llm.error() says why, culprit which tensor

    //! [forward]
    const cache layout{{.layers = 2, .kv_heads = 2, .head_dim = 16, .blocks = 4}};
    const al::block_run pages[] = {{2, 1}, {0, 2}}; // of the sequence's blocks 0, 1 and 2
    std::vector<al::token_id> prompt(40);
    for (int i = 0; i < 40; ++i) prompt[i] = (i * 37) % 128;

    const auto last_logits = [&](std::size_t chunk) {
        std::vector<std::byte> pool(layout.bytes());
        for (std::size_t at = 0; at < prompt.size(); at += chunk) {
            const std::size_t n = std::min(chunk, prompt.size() - at);
            const al::model::slice part{std::span(prompt).subspan(at, n), static_cast<std::uint32_t>(at), pages, true};
            ASHLAR_ASSERT(llm->forward({&part, 1}, layout, pool.data(), one, [](al::layer_id) {}));
        }
        const auto logits = llm->logits(0);
        return std::vector<float>(logits.begin(), logits.end());
    };
    const bool same = last_logits(40) == last_logits(7);
    //! [forward]
    std::printf("the next token is %d; in chunks of 7 the logits are %s\n", al::kernel::greedy(llm->logits(0)),
                same ? "bit-identical" : "different");
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
