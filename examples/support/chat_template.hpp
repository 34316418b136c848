// SPDX-License-Identifier: Apache-2.0
// How a conversation becomes one prompt: by the model file's own template, a Jinja program (support/jinja), or by plain
// ChatML when it has none but knows ChatML's two control tokens.
//
//     auto chat = support::chat_template::from(model->chat_program(), *words);
//     chat->encode(turns, tools, *words, ids);     // ends with the assistant's header: the model goes on from there
//
// What somebody said stays text: a control token counts only where every byte of it was written by the template
// itself. Immutable.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/core/ids.hpp>

#include <support/conversation.hpp>
#include <support/jinja/program.hpp>
#include <support/outcome.hpp>
#include <support/tokenizer.hpp>

namespace ashlar::support {

class chat_template {
public:
    static constexpr std::size_t bytes_max = 2 << 20;   // of a prompt
    static constexpr std::size_t memory_max = 64 << 20; // that putting it together may take

    // unsupported: a construct that is not understood, by its name and line. not_found: the file has no template and
    // its vocabulary no ChatML (a base model).
    static outcome<chat_template> from(const outcome<std::string_view>& program, const tokenizer& words);
    // `begin`, `end`: the texts of the tokens that templates call bos_token and eos_token.
    static outcome<chat_template> of(std::string_view program, std::string begin = {}, std::string end = {});

    // Whether tools and calls are told and asked for in the format of support/tool_stream.hpp by the template itself.
    // The tools of another template's conversations are put into words by support/tool_prompt.hpp.
    bool speaks_tools() const;

    // With the assistant's header at the end. `tools`: a JSON list, or nothing. invalid_argument: the template refuses
    // the conversation, in its own words. exhausted: too long.
    outcome<jinja::text> render(std::span<const chat_turn> turns, std::string_view tools = {}) const;

    // Appends the tokens of that text.
    outcome<std::size_t> encode(std::span<const chat_turn> turns, std::string_view tools, const tokenizer& words,
                                std::vector<token_id>& out) const;

private:
    chat_template(jinja::program program, std::string begin, std::string end)
        : program_(std::move(program)), begin_(std::move(begin)), end_(std::move(end)) {}

    jinja::program program_;
    std::string begin_, end_;
};

} // namespace ashlar::support
