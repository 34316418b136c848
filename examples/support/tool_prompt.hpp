// SPDX-License-Identifier: Apache-2.0
// Tools for a model whose template knows nothing of them, or has a format of its own: told in the system message, in
// the words and tags of the Hermes models; calls and their results become plain turns.
//
//     auto plain = support::tools_in_words(turns, tools);      // roles system, user, assistant; content always there
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <support/conversation.hpp>
#include <support/outcome.hpp>

namespace ashlar::support {

// `tools`: a JSON list, or nothing; then only calls and results of earlier turns are put into words. Results that
// follow one another are one turn of the user. corrupt: what should be JSON is none.
outcome<std::vector<chat_turn>> tools_in_words(std::span<const chat_turn> turns, std::string_view tools);

} // namespace ashlar::support
