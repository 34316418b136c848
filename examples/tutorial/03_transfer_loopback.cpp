// SPDX-License-Identifier: Apache-2.0
// Tutorial 3: KV goes from one engine to another, layer by layer, under a ticket. Both engines live in one thread here;
// with fabric::window they are processes, with ofi::endpoint they are machines, and the mover's code stays as it is.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <ashlar/fabric.hpp>
#include <ashlar/kv.hpp>

namespace al = ashlar;
using namespace ashlar::literals;

//! [engine]
using layout = al::kv::block_first<al::f16, al::kv::tokens<16>>;

struct engine {
    al::fabric::loopback net;
    al::kv::cache pages{{.pages = 32, .tokens_per_block = 16, .sequences_max = 4, .blocks_per_sequence_max = 16,
                         .leases_max = 8, .salt = {1, 2}, .prefix_caching = true}};
    layout shape{{.layers = 4, .kv_heads = 2, .head_dim = 16, .blocks = 32}};
    std::vector<std::byte> memory = std::vector<std::byte>(shape.bytes());
    al::fabric::region pool = net.register_memory({memory.data(), memory.size()}).value();
    al::kv::mover<al::fabric::loopback, layout> mover;

    engine(al::fabric::loopback_hub& hub, std::uint32_t number)
        : net(hub), mover(net, pages, shape, pool, {{number}, {number}, {3, 4}},
                          {.transfers_max = 4, .writes_max = 32, .peers_max = 2, .lease = 1_s, .renew_every = 100_ms,
                           .resend_after = 50_ms, .verify = true, .pull = false}) {}
};
//! [engine]

int main() {
    al::fabric::loopback_hub hub;
    engine prefill(hub, 1), decode(hub, 2);
    const auto to_decode = prefill.net.connect(decode.net.address()).value();
    (void)decode.net.connect(prefill.net.address());
    const std::vector<al::token_id> prompt(40, 5); // 3 blocks, the last one partial
    const al::request_id request{7};
    al::instant now{};

    //! [transfer]
    // The decode side makes room and says so in a ticket, which travels by any road.
    std::array<std::byte, al::kv::ticket_bytes_max> buffer;
    if (!decode.pages.open(request, prompt, 8)) return EXIT_FAILURE;
    const auto granted = decode.mover.grant(request, 40, /*cached_tokens=*/0, now, buffer).value();

    // The prefill side computes; each layer leaves as it is done.
    if (!prefill.pages.open(request, prompt, 0)) return EXIT_FAILURE;
    const auto transfer = prefill.mover.send(request, to_decode, granted.ticket, now).value();
    for (std::uint32_t layer = 0; layer < prefill.shape.shape.layers; ++layer) {
        // ... the model writes this layer's keys and values ...
        if (!prefill.mover.layer_ready(transfer, {layer}, /*first_block=*/0, /*block_count=*/3)) return EXIT_FAILURE;
        prefill.mover.poll(now);
    }

    // Both edges poll until the decode side has verified all of it.
    al::kv::transfer_event event{};
    while (!decode.mover.next_event(event)) {
        decode.mover.poll(now);
        prefill.mover.poll(now);
        now = now + 1_ms;
    }
    //! [transfer]
    std::printf("%s: %llu bytes, %llu pages verified\n", event.ok ? "received" : "failed",
                static_cast<unsigned long long>(event.bytes),
                static_cast<unsigned long long>(decode.mover.counters().blocks_received));
    return event.ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
