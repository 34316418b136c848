// SPDX-License-Identifier: Apache-2.0
// Frames between router and engines: a body decodes to a frame that encodes to the same bytes, or it is refused; a
// stream of bytes is cut into frames the same way however it arrives.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include <serve/wire.hpp>

namespace {

template <class Frame>
void round_trip(std::span<const std::byte> body) {
    Frame frame;
    if (!serve::wire::decode(body, frame)) return;
    std::vector<std::byte> again;
    serve::wire::append(again, frame);
    std::uint32_t size = 0;
    if (again.size() < sizeof size) std::abort();
    std::memcpy(&size, again.data(), sizeof size);
    if (size != body.size() || again.size() != sizeof size + body.size()) std::abort();
    if (std::memcmp(again.data() + sizeof size, body.data(), body.size()) != 0) std::abort();
}

std::vector<std::size_t> cut(std::span<const std::byte> bytes, std::size_t step) {
    serve::wire::splitter in;
    std::vector<std::size_t> sizes;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        in.add(bytes.subspan(at, std::min(step, bytes.size() - at)));
        for (std::span<const std::byte> body;;) {
            const auto got = in.next(body);
            if (got == serve::wire::splitter::outcome::more) break;
            if (got == serve::wire::splitter::outcome::broken) return sizes.push_back(0), sizes;
            sizes.push_back(body.size());
        }
    }
    return sizes;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    round_trip<serve::wire::to_engine>(bytes);
    round_trip<serve::wire::to_router>(bytes);
    if (size > 0 && cut(bytes, size) != cut(bytes, 1)) std::abort();
    return 0;
}
