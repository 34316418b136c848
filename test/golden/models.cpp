// SPDX-License-Identifier: Apache-2.0
// golden.models: the logits of tiny checkpoints of every architecture are transformers' (fp32, the same weights), after
// each token, whether read from GGUF or from what transformers saved. A prompt in one chunk, and the other way in, give
// the same bits. KV in f32. Needs no model but those in models/.
#include <cmath>

#include <golden/engine.hpp>
#include <support/checkpoint.hpp>

using namespace ashlar;

namespace {

constexpr double bar = 1e-5; // relative distance of a position's logits

struct reference {
    std::string name;
    std::vector<token_id> ids;
    std::vector<float> logits; // [ids][vocabulary]
};

// Our logits after each token; adds what is wrong.
std::vector<float> judge(const std::string& source, const reference& r, const auto& file, std::size_t& wrong,
                         support::thread_pool& threads) {
    golden::engine<float> engine(file, threads);
    const std::size_t vocabulary = engine.facts().vocabulary;
    if (r.logits.size() != r.ids.size() * vocabulary) golden::stop(source + " has another vocabulary");
    std::vector<float> ours;
    double worst = 0;
    engine.every_position(r.ids, [&](std::size_t position, std::span<const float> logits) {
        double difference = 0, norm = 0;
        for (std::size_t i = 0; i < vocabulary; ++i) {
            const double expected = r.logits[position * vocabulary + i];
            difference += (logits[i] - expected) * (logits[i] - expected), norm += expected * expected;
        }
        const double distance = std::sqrt(difference / norm);
        worst = std::isfinite(distance) ? std::max(worst, distance) : 1e30;
        ours.insert(ours.end(), logits.begin(), logits.end());
    });
    const auto last = engine.append(r.ids, 0);
    const bool chunk =
        std::memcmp(last.data(), ours.data() + ours.size() - vocabulary, vocabulary * sizeof(float)) == 0;
    std::printf("%s positions=%zu worst=%.2e%s\n", source.c_str(), r.ids.size(), worst,
                chunk ? "" : " a prompt in one chunk gives other bits");
    wrong += !(worst <= bar) + !chunk;
    return ours;
}

} // namespace

int main() {
    support::thread_pool threads(2);
    golden::data in("models.bin");
    const auto models = in.one<std::uint32_t>();
    std::size_t wrong = 0;
    for (std::uint32_t i = 0; i < models; ++i) {
        const auto letters = in.take<char>(in.one<std::uint32_t>());
        reference r{.name = {letters.begin(), letters.end()}, .ids = {}, .logits = {}};
        const auto tokens = in.one<std::uint32_t>(), vocabulary = in.one<std::uint32_t>();
        r.ids = in.take<token_id>(tokens);
        r.logits = in.take<float>(std::size_t{tokens} * vocabulary);
        const std::string path = std::string(ASHLAR_GOLDEN_DATA) + "/models/" + r.name;
        const auto file = support::gguf_file::open(path + ".gguf");
        if (!file) golden::stop(file.fault().sentence);
        const auto folder = support::checkpoint::open(path);
        if (!folder) golden::stop(folder.fault().sentence);
        const auto one = judge(r.name + ".gguf", r, *file, wrong, threads);
        const auto other = judge(r.name + "/", r, *folder, wrong, threads);
        if (std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) != 0) {
            std::printf("%s: GGUF and safetensors give other bits\n", r.name.c_str());
            ++wrong;
        }
    }
    const bool pass = in.done() && models > 0 && wrong == 0;
    std::printf("golden.models models=%u wrong=%zu bar=%.0e transformers=%s %s\n", models, wrong, bar,
                golden::version_of("transformers").c_str(), pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
