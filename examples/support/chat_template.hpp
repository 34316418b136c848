// SPDX-License-Identifier: Apache-2.0
// How a conversation becomes one prompt. A model file carries its own template, a Jinja program; this knows the ChatML
// programs by their text and refuses every other in a sentence: a conversation in another format than the model was
// tuned on would be answered, badly, and nobody would know why.
//
//     auto chat = support::chat_template::from(file->directory());
//     chat->encode(turns, *words, ids);        // ends with the assistant's header: the model goes on from there
//
// What a turn says stays text: a control token written out in it does not become that token. Immutable.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/core/ids.hpp>

#include <support/gguf.hpp>
#include <support/outcome.hpp>
#include <support/tokenizer.hpp>

namespace ashlar::support {

struct chat_turn {
    std::string_view role, content;
};

class chat_template {
public:
    static constexpr std::string_view turn_begins = "<|im_start|>", turn_ends = "<|im_end|>";

    // unsupported: another template than the two ChatML programs below. not_found: the file has none (a base model).
    static outcome<chat_template> from(const gguf& file) {
        const auto program = file.text("tokenizer.chat_template");
        if (!program)
            return make_fault(program.fault().what.code,
                              program.fault().sentence + ": it says nothing about conversations");
        return of(*program);
    }
    static outcome<chat_template> of(std::string_view program) {
        if (program == smollm2)
            return chat_template("You are a helpful AI assistant named SmolLM, trained by Hugging Face");
        if (program == plain) return chat_template({});
        return make_fault(errc::unsupported,
                          "the model's chat template is not one that this server knows (ChatML, SmolLM2's or plain); "
                          "its conversations would be put in the wrong format");
    }

    // The text that the template's program makes, with the assistant's header at the end.
    std::string render(std::span<const chat_turn> turns) const {
        std::string out;
        const auto control = [&](std::string_view token) { out += token; };
        write(turns, control, [&](std::string_view text) { out += text; });
        return out;
    }

    // Appends the tokens of that text. unsupported: the vocabulary lacks ChatML's two control tokens.
    outcome<std::size_t> encode(std::span<const chat_turn> turns, const tokenizer& words,
                                std::vector<token_id>& out) const {
        for (const auto token : {turn_begins, turn_ends})
            if (!words.special(token))
                return make_fault(errc::unsupported, "the vocabulary has no token " + std::string(token));
        const std::size_t before = out.size();
        const auto control = [&](std::string_view token) { out.push_back(*words.special(token)); };
        write(turns, control, [&](std::string_view text) { words.encode(text, specials::as_text, out); });
        return out.size() - before;
    }

private:
    // SmolLM2-Instruct's program, as its GGUF carries it.
    static constexpr std::string_view smollm2 =
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    // The same without a system message of its own, as transformers' documentation of chat templates gives it.
    static constexpr std::string_view plain =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
        "'\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    explicit chat_template(std::string_view system) : system_(system) {}

    template <class Control, class Text>
    void write(std::span<const chat_turn> turns, Control&& control, Text&& text) const {
        const auto turn = [&](std::string_view role, std::string_view content) {
            control(turn_begins);
            text(std::string(role).append("\n").append(content)); // one piece: words may reach across the line's end
            control(turn_ends);
            text("\n");
        };
        if (!turns.empty() && turns[0].role != "system" && !system_.empty()) turn("system", system_);
        for (const auto& each : turns) turn(each.role, each.content);
        control(turn_begins);
        text("assistant\n");
    }

    std::string_view system_; // what comes first when the conversation brings no system message; of static storage
};

} // namespace ashlar::support
