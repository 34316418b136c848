// SPDX-License-Identifier: Apache-2.0
// Prefill and decode apart give what one engine gives, to the bit: logits and tokens, whatever the chunks, the fabric
// and the prefix caches. Two engines share this thread; between them is a real fabric. What examples/serve does with
// sockets, this does with calls.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <ashlar/fabric.hpp>
#include <ashlar/kernel.hpp>
#include <ashlar/kv.hpp>
#include <ashlar/model.hpp>
#ifdef ASHLAR_WITH_OFI
#include <ashlar/ofi.hpp>
#endif

#include <support/model_file.hpp>
#include <support/thread_pool.hpp>

// libfabric 1.17 keeps fi_info copies of its own after every object of ours is closed.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfabric.so\n"; }

#include "model/tiny.hpp"
#ifdef ASHLAR_WITH_OFI
#include "ofi/providers.hpp"
#endif

namespace {

namespace al = ashlar;
namespace kv = ashlar::kv;
namespace fabric = ashlar::fabric;
using namespace ashlar::literals;
using layout = kv::block_first<al::f16, kv::tokens<16>>;
using decoder = al::model::decoder<al::model::llama, al::kernel::cpu, layout>;
using al::token_id;

constexpr std::uint32_t block = layout::tokens_per_block, pages = 48, answer = 6;

al::instant now() {
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
                .count()};
}

// What an answer is: the logits before each of its tokens, and the tokens.
struct said {
    std::vector<float> logits;
    std::vector<token_id> tokens;
    bool operator==(const said& other) const {
        return tokens == other.tokens && logits.size() == other.logits.size() &&
               std::memcmp(logits.data(), other.logits.data(), logits.size() * sizeof(float)) == 0;
    }
};

struct model_under_test {
    decoder llm;
    al::support::thread_pool threads{2};
    std::uint32_t vocabulary;

    layout shape() const {
        const auto& f = llm.facts();
        return {{.layers = f.layers, .kv_heads = f.kv_heads, .head_dim = f.head_dim, .blocks = pages}};
    }
    // Appends tokens [at, at + n) of `all`; with `into`, the last one's logits and the token that follows.
    template <class OnLayer>
    void compute(const std::vector<token_id>& all, std::uint32_t at, std::uint32_t n,
                 std::span<const al::block_run> runs, std::byte* pool, said* into, OnLayer&& on_layer) {
        const al::model::slice part{std::span(all).subspan(at, n), at, runs, into != nullptr};
        REQUIRE(llm.forward({&part, 1}, shape(), pool, threads, on_layer));
        if (!into) return;
        const auto logits = llm.logits(0);
        into->logits.insert(into->logits.end(), logits.begin(), logits.end());
        into->tokens.push_back(al::kernel::greedy(logits));
    }
    void decode(std::vector<token_id> all, std::span<const al::block_run> runs, std::byte* pool, said& into) {
        while (into.tokens.size() < answer) {
            all.push_back(into.tokens.back());
            compute(all, static_cast<std::uint32_t>(all.size()) - 1, 1, runs, pool, &into, [](al::layer_id) {});
        }
    }
    // One engine, one pool, the prompt as a whole, nothing cached.
    said unified(const std::vector<token_id>& prompt) {
        std::vector<std::byte> pool(shape().bytes());
        const al::block_run runs[] = {{0, pages}};
        said out;
        compute(prompt, 0, static_cast<std::uint32_t>(prompt.size()), runs, pool.data(), &out, [](al::layer_id) {});
        decode(prompt, runs, pool.data(), out);
        return out;
    }
};

kv::cache_options cache_options(bool hits) {
    return {.pages = pages,
            .tokens_per_block = block,
            .sequences_max = 4,
            .blocks_per_sequence_max = 16,
            .leases_max = 8,
            .salt = {1, 2},
            .prefix_caching = hits};
}

template <class Fabric>
struct engine {
    Fabric net;
    std::vector<std::byte> own; // where the fabric does not bring the memory
    std::span<std::byte> pool;
    fabric::region region;
    kv::cache cache;
    kv::mover<Fabric, layout> mover;
    fabric::peer_id peer{};
    std::uint64_t requests = 0;

    engine(Fabric opened, const layout& shape, bool hits, std::uint32_t number)
        : net(std::move(opened)), pool(memory(shape.bytes())),
          region(net.register_memory({pool.data(), pool.size(), fabric::memory_kind::host}).value()),
          cache(cache_options(hits)), mover(net, cache, shape, region, {{number}, {number + 100}, {3, 4}},
                                            {.transfers_max = 4,
                                             .writes_max = 64,
                                             .peers_max = 4,
                                             .lease = 10_s,
                                             .renew_every = 100_ms,
                                             .resend_after = 100_ms,
                                             .verify = true,
                                             .pull = false}) {}

    std::span<std::byte> memory(std::size_t size) {
        if constexpr (requires { net.allocate(size); }) {
            return net.allocate(size).value();
        } else {
            own.resize(size);
            return own;
        }
    }
    void poll() {
        mover.poll(now());
        mover.tick(now());
    }
    void forget() { // fills the pool once, so that everything cached is given up
        const std::vector<token_id> nonsense(pages / 4 * block, 1);
        for (std::uint64_t i = 1; i <= 4; ++i) {
            REQUIRE(cache.open({i << 40}, std::span(nonsense).first(1), pages / 4 * block - 1));
        }
        for (std::uint64_t i = 1; i <= 4; ++i) REQUIRE(cache.close({i << 40}));
    }
};

template <class Fabric>
struct pair {
    engine<Fabric> prefill, decode;

    pair(Fabric a, Fabric b, const layout& shape, bool hits)
        : prefill(std::move(a), shape, hits, 1), decode(std::move(b), shape, hits, 2) {
        prefill.peer = prefill.net.connect(decode.net.address()).value();
        decode.peer = decode.net.connect(prefill.net.address()).value();
    }

    // The life of a request, split. `cached`: the least that must be found in the prefix caches.
    said serve(model_under_test& m, const std::vector<token_id>& prompt, std::uint32_t chunk, std::uint32_t cached_p,
               std::uint32_t cached_d) {
        const al::request_id request{++prefill.requests};
        const auto size = static_cast<std::uint32_t>(prompt.size()), layers = m.shape().shape.layers;
        std::array<std::byte, kv::ticket_bytes_max> buffer;
        const auto d = decode.cache.open(request, prompt, answer);
        REQUIRE(d);
        REQUIRE(d->cached_tokens == cached_d);
        const auto granted = decode.mover.grant(request, size, d->cached_tokens, now(), buffer);
        REQUIRE(granted);
        const auto p = prefill.cache.open(request, prompt, 0);
        REQUIRE(p);
        REQUIRE(p->cached_tokens == cached_p);
        const auto transfer = prefill.mover.send(request, prefill.peer, granted->ticket, now());
        REQUIRE(transfer);
        REQUIRE(prefill.mover.all_ready(*transfer, {0, p->cached_tokens / block}));

        said out;
        std::uint32_t layers_seen = 0;
        for (std::uint32_t at = p->cached_tokens; at < size;) {
            const std::uint32_t n = std::min(chunk, size - at), end = at + n;
            const std::uint32_t first = at / block, last = end == size ? kv::blocks_for(end, block) : end / block;
            said* const into = end == size ? &out : nullptr;
            m.compute(prompt, at, n, p->runs, prefill.pool.data(), into, [&](al::layer_id layer) {
                ++layers_seen;
                if (last > first) REQUIRE(prefill.mover.layer_ready(*transfer, layer, first, last - first));
                prefill.poll();
                decode.poll();
            });
            at = end;
        }
        CHECK(layers_seen % layers == 0);
        finish(prefill, decode, request);
        finish(decode, prefill, request);

        REQUIRE(prefill.cache.commit(request, prompt));
        REQUIRE(decode.cache.commit(request, prompt));
        m.decode(prompt, d->runs, decode.pool.data(), out);
        REQUIRE(prefill.cache.close(request));
        REQUIRE(decode.cache.close(request));
        CHECK(prefill.cache.check());
        CHECK(decode.cache.check());
        CHECK(decode.cache.counts().leased + decode.cache.counts().quarantined == 0);
        return out;
    }

    // Polls both until `one` has its event about this request: one event, and a good one.
    void finish(engine<Fabric>& one, engine<Fabric>& other, al::request_id request) {
        kv::transfer_event event;
        const al::instant late = now() + 30_s;
        while (!one.mover.next_event(event)) {
            one.poll();
            other.poll();
            REQUIRE(now() < late);
        }
        REQUIRE(event.request == request);
        INFO("fault: ", al::to_string(event.fault.code));
        REQUIRE(event.ok);
    }
};

// A prompt in two versions that share all but the last ten tokens.
std::vector<token_id> prompt(std::uint32_t size, std::uint32_t vocabulary, bool other_end) {
    al::random_stream random{.seed = 11};
    std::vector<token_id> out(size);
    for (auto& t : out) t = static_cast<token_id>(random.below(vocabulary));
    if (other_end) {
        for (std::uint32_t i = size - 10; i < size; ++i) out[i] = static_cast<token_id>(random.below(vocabulary));
    }
    return out;
}

template <class Open>
void all_chunks(model_under_test& m, std::uint32_t size, Open&& open) {
    const auto first = prompt(size, m.vocabulary, false), second = prompt(size, m.vocabulary, true);
    const said first_alone = m.unified(first), second_alone = m.unified(second);
    REQUIRE_FALSE(first_alone == second_alone);
    const std::uint32_t shared = (size - 10) / block * block; // whole blocks that both begin with
    for (const std::uint32_t chunk : {1u, 7u, 16u, 64u, size}) {
        CAPTURE(chunk);
        {
            pair both(open(), open(), m.shape(), false);
            CHECK(both.serve(m, first, chunk, 0, 0) == first_alone);
            CHECK(both.serve(m, second, chunk, 0, 0) == second_alone);
        }
        pair both(open(), open(), m.shape(), true);
        CHECK(both.serve(m, first, chunk, 0, 0) == first_alone);
        CHECK(both.serve(m, second, chunk, shared, shared) == second_alone); // both have it
        const auto moved = both.decode.mover.counters().blocks_received;
        CHECK(both.serve(m, second, chunk, (size - 1) / block * block, (size - 1) / block * block) == second_alone);
        CHECK(both.decode.mover.counters().blocks_received - moved == m.shape().shape.layers); // the last block alone

        // Only one side knows the beginning: what prefill has cached goes over, what decode has cached does not.
        pair lopsided(open(), open(), m.shape(), true);
        CHECK(lopsided.serve(m, first, chunk, 0, 0) == first_alone);
        lopsided.decode.forget();
        CHECK(lopsided.serve(m, second, chunk, shared, 0) == second_alone);
        lopsided.prefill.forget();
        CHECK(lopsided.serve(m, first, chunk, 0, shared) == first_alone);
    }
}

void all_fabrics(model_under_test& m, std::uint32_t size) {
    SUBCASE("window") {
        all_chunks(m, size, [] { return fabric::window::open({}).value(); });
    }
#ifdef ASHLAR_WITH_OFI
    for (const std::string& provider : al::test::providers()) {
        SUBCASE(provider.c_str()) {
            all_chunks(m, size, [&] { return al::ofi::endpoint::open({.provider = provider.c_str()}).value(); });
        }
    }
#endif
}

} // namespace

TEST_CASE("a tiny random model answers the same split and unified, bit for bit") {
    const tiny::weights weights(tiny::facts);
    al::serial_workers one;
    al::model::tensor_name culprit;
    auto llm = decoder::make(tiny::facts, {.tokens = 128, .slices = 2, .context = 128}, weights, one, culprit);
    REQUIRE(llm);
    model_under_test m{.llm = std::move(llm).value(), .vocabulary = tiny::facts.vocabulary};
    all_fabrics(m, 101);
}

TEST_CASE("the quickstart's model answers the same split and unified, bit for bit") {
    const char* path = std::getenv("ASHLAR_MODEL");
    REQUIRE_MESSAGE(path, "set ASHLAR_MODEL to a GGUF file (examples/support/fetch_model prints one)");
    const auto file = al::support::model_file::open(path);
    REQUIRE_MESSAGE(file, file.fault().sentence);
    const auto facts = file->facts();
    REQUIRE(facts);
    al::support::thread_pool threads(2);
    al::model::tensor_name culprit;
    const auto by_name = [&](std::string_view name) -> al::result<al::kernel::weight_view> {
        const auto found = file->tensor(name);
        if (!found) return {al::errc::not_found, al::origin::app};
        return *found;
    };
    auto llm = decoder::make(*facts, {.tokens = 128, .slices = 2, .context = 256}, by_name, threads, culprit);
    REQUIRE(llm);
    model_under_test m{.llm = std::move(llm).value(), .vocabulary = facts->vocabulary};
    all_fabrics(m, 75);
}
