// SPDX-License-Identifier: Apache-2.0
// golden.logits: the relative distance of our logits from transformers' (fp32, weights de-quantised from the same file)
// at every position of every committed prompt, for each format of the KV cache. The reference's logits are rebuilt from
// its last hidden states (see make_logits.py); complete ones are stored for some positions and prove the rebuilding.
#include <algorithm>
#include <cmath>

#include <golden/engine.hpp>

using namespace ashlar;

namespace {

struct prompt {
    std::vector<token_id> ids;
    std::vector<float> hidden, full; // [n][width]; the last position's logits, or empty
};

float dot(const float* a, const float* b, std::uint32_t n) {
    float sum[16] = {};
    for (std::uint32_t i = 0; i + 16 <= n; i += 16)
        for (std::uint32_t k = 0; k < 16; ++k) sum[k] += a[i + k] * b[i + k];
    double all = 0;
    for (const float s : sum) all += s;
    for (std::uint32_t i = n / 16 * 16; i < n; ++i) all += a[i] * b[i];
    return static_cast<float>(all);
}

double distance(std::span<const float> ours, std::span<const float> reference) {
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        const double d = double{ours[i]} - reference[i];
        difference += d * d;
        norm += double{reference[i]} * reference[i];
    }
    const double out = std::sqrt(difference / norm);
    return std::isfinite(out) ? out : 1e30;
}

struct measured {
    double worst = 0;
    std::size_t prompt = 0, position = 0;
    bool batch_invariant = true; // the prompt in one slice gives the same bits as token by token
};

template <class T>
void measure(golden::engine<T>& engine, std::size_t number, const prompt& p, const std::vector<float>& reference, measured& out) {
    const std::size_t vocabulary = engine.facts().vocabulary;
    std::vector<float> last;
    engine.every_position(p.ids, [&](std::size_t position, std::span<const float> ours) {
        const double d = distance(ours, {reference.data() + position * vocabulary, vocabulary});
        if (d > out.worst) out.worst = d, out.prompt = number, out.position = position;
        if (position + 1 == p.ids.size()) last.assign(ours.begin(), ours.end());
    });
    const auto whole = engine.append(p.ids, 0);
    out.batch_invariant &= std::memcmp(whole.data(), last.data(), vocabulary * sizeof(float)) == 0;
}

bool report(const char* format, const measured& m, double bar) {
    const bool pass = m.worst <= bar && m.batch_invariant;
    std::printf("golden.logits kv=%s worst=%.3e (prompt %zu, position %zu) bar=%.0e chunks=%s %s\n", format, m.worst, m.prompt,
                m.position, bar, m.batch_invariant ? "bit-identical" : "DIFFER", pass ? "pass" : "FAIL");
    return pass;
}

} // namespace

int main() {
    const auto file = golden::open_model();
    support::thread_pool threads(2);
    golden::engine<f32> exact(file, threads);
    golden::engine<f16> half(file, threads);
    golden::engine<bf16> brain(file, threads);

    golden::data in("logits.bin");
    if (in.one<std::uint32_t>() != 0x4C474C41 || in.one<std::uint32_t>() != 1) golden::stop("logits.bin is of another format");
    const auto prompts = in.one<std::uint32_t>(), width = in.one<std::uint32_t>(), vocabulary = in.one<std::uint32_t>();
    if (width != exact.facts().hidden || vocabulary != exact.facts().vocabulary) golden::stop("logits.bin was made from another model");
    const auto embedding = file.tensor("token_embd.weight");
    std::vector<float> rows(std::size_t{vocabulary} * width);
    for (std::uint32_t r = 0; r < vocabulary; ++r)
        for (std::uint32_t c = 0; c < width; ++c) rows[std::size_t{r} * width + c] = kernel::element(*embedding, r, c);

    measured as_f32, as_f16, as_bf16;
    std::size_t positions = 0, stored = 0;
    double rebuilt = 0;
    for (std::size_t number = 0; number < prompts; ++number) {
        prompt p;
        const auto n = in.one<std::uint32_t>(), full = in.one<std::uint32_t>();
        p.ids = in.take<token_id>(n);
        p.hidden = in.take<float>(std::size_t{n} * width);
        p.full = in.take<float>(full ? vocabulary : 0);
        std::vector<float> reference(std::size_t{n} * vocabulary);
        threads.parallel_for(vocabulary / 64, [&](std::size_t share) {
            for (std::size_t v = share * 64; v < share * 64 + 64; ++v)
                for (std::size_t i = 0; i < n; ++i) reference[i * vocabulary + v] = dot(&rows[v * width], &p.hidden[i * width], width);
        });
        for (std::size_t v = vocabulary / 64 * 64; v < vocabulary; ++v)
            for (std::size_t i = 0; i < n; ++i) reference[i * vocabulary + v] = dot(&rows[v * width], &p.hidden[i * width], width);
        if (full) rebuilt = std::max(rebuilt, distance({reference.data() + std::size_t{n - 1} * vocabulary, vocabulary}, p.full)), ++stored;
        measure(exact, number, p, reference, as_f32);
        measure(half, number, p, reference, as_f16);
        measure(brain, number, p, reference, as_bf16);
        positions += n;
    }
    if (!in.done()) golden::stop("logits.bin has bytes left over");
    std::printf("golden.logits prompts=%u positions=%zu; %zu stored full rows rebuilt within %.1e\n", prompts, positions, stored, rebuilt);
    bool pass = prompts >= 24 && stored > 0 && rebuilt < 5e-6;
    pass &= report("f32", as_f32, 1e-4);
    pass &= report("f16", as_f16, 1e-3);
    std::printf("golden.logits kv=bf16 worst=%.3e (reported, no bar)\n", as_bf16.worst);
    return pass && as_bf16.batch_invariant ? 0 : 1;
}
