// SPDX-License-Identifier: Apache-2.0
// Text on its way out: whole UTF-8 characters only, and nothing that might still turn out to be the start of a stop
// string.
//
//     text_stream out({"\n\n"});   out.push(bytes_of_token);   send(out.take());   if (out.stopped()) ... out.flush();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace serve {

// The length of the longest prefix that ends between two characters: shorter than the text only when its last character
// is still incomplete or when invalid bytes come first; then the prefix before them.
std::size_t utf8_prefix(std::string_view text);

// Invalid sequences become U+FFFD, one for each maximal part, as WHATWG and Python's "replace" do.
std::string utf8_repaired(std::string_view text);

std::uint32_t utf8_characters(std::string_view text); // of valid text

class text_stream {
public:
    text_stream() = default;
    text_stream(std::vector<std::string> stops, bool include_stop)
        : stops_(std::move(stops)), include_stop_(include_stop) {}

    // `may_stop`: a stop string that ends in these bytes counts.
    void push(std::string_view bytes, bool may_stop = true);
    void flush(); // no more bytes come: what was held back goes out
    std::string take() { return std::exchange(ready_, {}); }
    bool stopped() const { return stopped_; }

private:
    void release(bool final, bool may_stop);

    std::vector<std::string> stops_;
    bool include_stop_ = false;
    bool stopped_ = false;
    std::string bytes_;    // not yet whole characters
    std::string held_;     // whole characters, perhaps the start of a stop string
    std::size_t past_ = 0; // of held_: came when no stop string counted
    std::string ready_;
};

} // namespace serve
