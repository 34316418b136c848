// SPDX-License-Identifier: Apache-2.0
// Where texts begin and end in a model's vocabulary.
#pragma once

#include <optional>
#include <vector>

#include <ashlar/core/ids.hpp>

namespace ashlar::support {

struct text_frame {
    std::optional<token_id> begin, end; // what the model's file calls them
    bool begins = false;                // a text by itself starts with `begin`, as Llama 3's does
    std::vector<token_id> ends;         // at any of these an answer is over
};

} // namespace ashlar::support
