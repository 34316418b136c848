// SPDX-License-Identifier: Apache-2.0
// Tickets, control messages and channel frames come from other machines. The first byte chooses; a ticket's body gets a
// right MAC half of the time, since a fuzzer cannot find one and the parser behind it is what we want to reach.
#include <ashlar/kv/channel.hpp>
#include <ashlar/kv/ticket.hpp>
#include <ashlar/kv/wire.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

using namespace ashlar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size == 0) return 0;
    constexpr key128 key{5, 6};
    std::vector<std::byte> bytes(size - 1);
    if (size > 1) std::memcpy(bytes.data(), data + 1, size - 1);
    if (data[0] % 4 == 0 && bytes.size() > sizeof(digest128)) {
        const auto tag = siphash128(key, {bytes.data(), bytes.size() - sizeof(digest128)});
        std::memcpy(bytes.data() + bytes.size() - sizeof tag, &tag, sizeof tag);
    }
    if (data[0] % 4 <= 1) {
        const auto t = kv::decode_ticket(bytes, key);
        if (!t) return 0;
        const kv::ticket_expectation expected{
            .layout = t->layout, .page_bytes = 4096, .layers = 4, .tokens_per_block = 16, .blocks = 64};
        if (kv::verify(*t, expected)) {
            for (const auto& run : t->runs) ASHLAR_ASSERT(run.count <= 64);
        }
        std::array<std::byte, kv::ticket_bytes_max> buffer;
        const auto back = kv::decode_ticket(kv::encode(*t, key, buffer).value(), key);
        ASHLAR_ASSERT(back && back->transfer == t->transfer && back->runs.size() == t->runs.size());
    } else if (data[0] % 4 == 2) {
        const auto c = kv::decode_control(bytes);
        if (!c) return 0;
        std::array<std::byte, kv::message_bytes_max * 2> buffer;
        const std::size_t n = kv::encode(*c, buffer);
        ASHLAR_ASSERT(n == bytes.size() && std::memcmp(buffer.data(), bytes.data(), n) == 0);
    } else {
        static kv::channel line;
        line = kv::channel(7, 4);
        std::span<const std::byte> message;
        for (std::size_t at = 0; at < bytes.size(); at += 40) {
            const auto frame =
                std::span<const std::byte>(bytes).subspan(at, std::min<std::size_t>(40, bytes.size() - at));
            if (line.receive(frame, message) == kv::channel::heard::message) line.accept();
            std::array<std::byte, kv::frame_bytes_max> out;
            if (line.peek(out)) line.posted({});
        }
    }
    return 0;
}
