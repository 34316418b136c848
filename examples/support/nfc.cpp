// SPDX-License-Identifier: Apache-2.0
#include <support/nfc.hpp>

#include <algorithm>
#include <array>
#include <vector>

#include <utf8proc.h>

#include <ashlar/core/assert.hpp>

#include <support/unicode.hpp>

namespace ashlar::support {

// utf8proc's own decomposition of a whole text orders combining marks by exchanging neighbours: n² steps for n of them.
// Here runs of them are sorted, and utf8proc only takes characters apart and puts them together again.
std::string nfc(std::string_view text) {
    // Below U+0300, whose first byte is 0xcc, a text is in the form already (UAX #15, NFC_Quick_Check).
    if (std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0xcc; }))
        return std::string(text);
    constexpr auto apart = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    constexpr auto together = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    const auto rank = [](utf8proc_int32_t code) { return utf8proc_get_property(code)->combining_class; };
    const auto by_rank = [&](auto a, auto b) { return rank(a) < rank(b); };
    std::vector<utf8proc_int32_t> codes;
    codes.reserve(text.size());
    std::size_t run = 0; // where the combining marks before the end begin
    const auto end_run = [&] {
        std::stable_sort(codes.begin() + static_cast<std::ptrdiff_t>(run), codes.end(), by_rank);
    };
    for (std::size_t at = 0; at < text.size();) {
        const code_point read = read_utf8_leniently(text, at);
        ASHLAR_ASSERT(read.length != 0 && read.code <= 0x10ffff);
        at += read.length;
        std::array<utf8proc_int32_t, 18> parts; // the longest there can be, UAX #15
        const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(read.code), parts.data(), parts.size(),
                                                   apart, nullptr);
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            if (rank(parts[i]) == 0) {
                end_run();
                run = codes.size() + 1;
            }
            codes.push_back(parts[i]);
        }
    }
    end_run();
    const auto size = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), together);
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i)
        append_utf8(out, static_cast<std::uint32_t>(codes[i]));
    return out;
}

} // namespace ashlar::support
