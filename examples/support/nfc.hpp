// SPDX-License-Identifier: Apache-2.0
// Unicode's normalization form C, by utf8proc: "e" and a combining accent become "é". The tokenizers of Qwen2 and its
// successors read text in this form only.
//
//     std::string text = support::nfc("e\u0301");   // "\u00e9"
#pragma once

#include <string>
#include <string_view>

namespace ashlar::support {

// `text` is UTF-8, surrogates allowed. O(n log n) in the length of the longest run of combining marks.
std::string nfc(std::string_view text);

} // namespace ashlar::support
