// SPDX-License-Identifier: Apache-2.0
#include <support/chat_template.hpp>

#include <utility>

#include <support/tool_prompt.hpp>
#include <support/tool_stream.hpp>

namespace ashlar::support {

namespace {

using jinja::given;
using jinja::value;

// As transformers' documentation of chat templates gives ChatML.
constexpr std::string_view chatml =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// In the shape that templates are written for, as vLLM gives it: arguments as an object, content always a text.
value message_of(const chat_turn& turn) {
    jinja::map out{{"role", given(turn.role)}, {"content", given(turn.content.value_or(""))}};
    jinja::list calls;
    for (const auto& each : turn.calls) {
        auto arguments = value::from_json(each.arguments);
        if (!arguments) throw arguments.fault();
        calls.emplace_back(
            jinja::map{{"id", given(each.id)},
                       {"type", given("function")},
                       {"function", jinja::map{{"name", given(each.name)}, {"arguments", std::move(*arguments)}}}});
    }
    if (!calls.empty()) out.emplace_back("tool_calls", std::move(calls));
    if (!turn.call_id.empty()) out.emplace_back("tool_call_id", given(turn.call_id));
    return out;
}

} // namespace

outcome<chat_template> chat_template::of(std::string_view program, std::string begin, std::string end) {
    auto read = jinja::program::parse(program);
    if (!read) return make_fault(read.fault().what.code, "the model's chat template, " + read.fault().sentence);
    return chat_template(std::move(*read), std::move(begin), std::move(end));
}

outcome<chat_template> chat_template::from(const outcome<std::string_view>& program, const tokenizer& words) {
    const auto spelled = [&](std::optional<token_id> id) { return std::string(id ? words.bytes_of(*id) : ""); };
    if (program) return of(*program, spelled(words.frame().begin), spelled(words.frame().end));
    if (program.fault().what.code == errc::not_found && words.special("<|im_start|>") && words.special("<|im_end|>"))
        return of(chatml);
    return make_fault(program.fault().what.code, program.fault().sentence + ": it says nothing about conversations");
}

bool chat_template::speaks_tools() const { return program_.reads("tools") && program_.writes(tool_call_begins); }

outcome<jinja::text> chat_template::render(std::span<const chat_turn> turns, std::string_view tools) const {
    const jinja::memory_scope scope(memory_max);
    try {
        jinja::list messages;
        if (speaks_tools()) {
            for (const auto& each : turns) messages.push_back(message_of(each));
        } else {
            const auto plain = tools_in_words(turns, tools);
            if (!plain) return plain.fault();
            for (const auto& each : *plain) messages.push_back(message_of(each));
        }
        jinja::map context{
            {"messages", std::move(messages)},   {"add_generation_prompt", true}, {"bos_token", jinja::written(begin_)},
            {"eos_token", jinja::written(end_)}, {"documents", nullptr},          {"tools", nullptr}};
        if (speaks_tools() && !tools.empty()) {
            auto list = value::from_json(tools);
            if (!list) return list.fault();
            context.back().second = std::move(*list);
        }
        return program_.render(context, {.bytes = bytes_max, .memory = memory_max});
    } catch (const fault& why) {
        return why;
    }
}

outcome<std::size_t> chat_template::encode(std::span<const chat_turn> turns, std::string_view tools,
                                           const tokenizer& words, std::vector<token_id>& out) const {
    const auto text = render(turns, tools);
    if (!text) return text.fault();
    const std::size_t before = out.size();
    words.encode(text->bytes, text->by_template, out);
    return out.size() - before;
}

} // namespace ashlar::support
