// SPDX-License-Identifier: Apache-2.0
// golden.logits: the relative distance of our logits from transformers' (fp32, weights de-quantised from the same file)
// at every position of every committed prompt, for each format of the KV cache. The reference's logits are rebuilt from
// its last hidden states (see make_logits.py); complete ones are stored for some positions and prove the rebuilding.
// A cache of f32 or scaled16 is held to a bar of its own; what f16 and bf16 cost is judged against what they cost
// transformers itself: docs/golden.md has the reason.
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
    double worst = 0, squares = 0;
    std::size_t prompt = 0, position = 0, count = 0;
    bool chunks_agree = true; // the prompt in one slice gives the same bits as token by token

    void add(double d, std::size_t of_prompt, std::size_t at) {
        if (d > worst) worst = d, prompt = of_prompt, position = at;
        squares += d * d;
        ++count;
    }
    double mean() const { return std::sqrt(squares / static_cast<double>(count)); } // quadratic
};

template <class T>
void measure(golden::engine<T>& engine, std::size_t number, const prompt& p, const std::vector<float>& reference,
             measured& out) {
    const std::size_t vocabulary = engine.facts().vocabulary;
    std::vector<float> last;
    engine.every_position(p.ids, [&](std::size_t position, std::span<const float> ours) {
        out.add(distance(ours, {reference.data() + position * vocabulary, vocabulary}), number, position);
        if (position + 1 == p.ids.size()) last.assign(ours.begin(), ours.end());
    });
    const auto whole = engine.append(p.ids, 0);
    out.chunks_agree &= std::memcmp(whole.data(), last.data(), vocabulary * sizeof(float)) == 0;
}

// A rounded cache: no engine is nearer to fp32 than the format lets it be, so the yardstick is transformers with a
// cache rounded to the same format. Single positions are chaotic; the mean is not.
bool report(const char* format, const measured& m, const measured& yardstick) {
    const bool pass = m.mean() <= 1.1 * yardstick.mean() && m.worst <= 2 * yardstick.worst && m.chunks_agree;
    std::printf("golden.logits kv=%s worst=%.2e (prompt %zu, position %zu) mean=%.2e; transformers with a cache of %s: "
                "worst=%.2e mean=%.2e; chunked %s %s\n",
                format, m.worst, m.prompt, m.position, m.mean(), format, yardstick.worst, yardstick.mean(),
                m.chunks_agree ? "bit-identical" : "DIFFERENT", pass ? "pass" : "FAIL");
    return pass;
}

bool within(const char* format, const measured& m, double bar) {
    const bool pass = m.worst <= bar && m.chunks_agree;
    std::printf("golden.logits kv=%s worst=%.2e (prompt %zu, position %zu) mean=%.2e bar=%.0e; chunked %s %s\n", format,
                m.worst, m.prompt, m.position, m.mean(), bar, m.chunks_agree ? "bit-identical" : "DIFFERENT",
                pass ? "pass" : "FAIL");
    return pass;
}

} // namespace

int main(int count, char** arguments) {
    const bool json = count > 1 && std::strcmp(arguments[1], "--json") == 0; // for bench/run, which judges by itself
    const auto file = golden::open_model();
    support::thread_pool threads(2);
    golden::engine<f32> exact(file, threads);
    golden::engine<f16> half(file, threads);
    golden::engine<bf16> brain(file, threads);
    golden::engine<scaled16> scaled(file, threads);

    golden::data in("logits.bin");
    if (in.one<std::uint32_t>() != 0x4C474C41 || in.one<std::uint32_t>() != 2)
        golden::stop("logits.bin is of another format");
    const auto prompts = in.one<std::uint32_t>(), width = in.one<std::uint32_t>(), vocabulary = in.one<std::uint32_t>();
    if (width != exact.facts().hidden || vocabulary != exact.facts().vocabulary)
        golden::stop("logits.bin was made from another model");
    const auto embedding = file.tensor("token_embd.weight");
    std::vector<float> rows(std::size_t{vocabulary} * width);
    for (std::uint32_t r = 0; r < vocabulary; ++r)
        for (std::uint32_t c = 0; c < width; ++c) rows[std::size_t{r} * width + c] = kernel::element(*embedding, r, c);

    measured as_f32, as_f16, as_bf16, as_scaled16, reference_f16, reference_bf16;
    std::size_t stored = 0;
    double rebuilt = 0;
    for (std::size_t number = 0; number < prompts; ++number) {
        prompt p;
        const auto n = in.one<std::uint32_t>(), full = in.one<std::uint32_t>();
        p.ids = in.take<token_id>(n);
        p.hidden = in.take<float>(std::size_t{n} * width);
        for (std::size_t i = 0; const float d : in.take<float>(n)) reference_f16.add(d, number, i++);
        for (std::size_t i = 0; const float d : in.take<float>(n)) reference_bf16.add(d, number, i++);
        p.full = in.take<float>(full ? vocabulary : 0);
        std::vector<float> reference(std::size_t{n} * vocabulary);
        threads.parallel_for((vocabulary + 63) / 64, [&](std::size_t share) {
            for (std::size_t v = share * 64; v < std::min<std::size_t>(share * 64 + 64, vocabulary); ++v)
                for (std::size_t i = 0; i < n; ++i)
                    reference[i * vocabulary + v] = dot(&rows[v * width], &p.hidden[i * width], width);
        });
        if (full)
            rebuilt =
                std::max(rebuilt, distance({reference.data() + std::size_t{n - 1} * vocabulary, vocabulary}, p.full)),
            ++stored;
        measure(exact, number, p, reference, as_f32);
        measure(half, number, p, reference, as_f16);
        measure(brain, number, p, reference, as_bf16);
        measure(scaled, number, p, reference, as_scaled16);
    }
    if (!in.done()) golden::stop("logits.bin has bytes left over");
    // rebuilding is fp32 rounding (make_logits.py proves the bound): a tenth of the strictest bar is plenty
    bool pass = prompts >= 24 && stored > 0 && rebuilt <= 1e-5;
    std::printf("golden.logits prompts=%u positions=%zu; %zu stored full rows rebuilt within %.1e\n", prompts,
                as_f32.count, stored, rebuilt);
    pass &= report("f16", as_f16, reference_f16);
    pass &= report("bf16", as_bf16, reference_bf16);
    pass &= within("scaled16", as_scaled16, 1e-3);
    pass &= within("f32", as_f32, 1e-4);
    if (json)
        std::printf("{\"ours\": %.4e, \"peer\": %.4e, \"peer_name\": \"transformers %s, KV rounded to f16\", "
                    "\"ratio\": %.4f, \"min\": %.4f, \"max\": %.4f, \"n\": %zu, \"f32\": %.4e, \"f16\": %.4e, "
                    "\"bf16\": %.4e, \"scaled16\": %.4e, \"mean_f16\": %.4e, \"mean_f16_peer\": %.4e}\n",
                    as_f16.worst, reference_f16.worst, golden::version_of("transformers").c_str(),
                    as_f16.worst / reference_f16.worst, as_f16.mean() / reference_f16.mean(),
                    as_f16.worst / reference_f16.worst, as_f16.count, as_f32.worst, as_f16.worst, as_bf16.worst,
                    as_scaled16.worst, as_f16.mean(), reference_f16.mean());
    return pass || json ? 0 : 1;
}
