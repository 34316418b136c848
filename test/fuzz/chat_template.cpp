// SPDX-License-Identifier: Apache-2.0
// Chat templates and conversations, apart by a zero: an error with a sentence, or a text whose every byte has its mark,
// the same each time. The second part is also an answer with calls of tools: however it is cut, the parts are the same.
#include <cstdint>
#include <string>
#include <string_view>

#include <support/jinja/program.hpp>
#include <support/tool_stream.hpp>

#include "require.hpp"

using namespace ashlar;
namespace jinja = support::jinja;

namespace {

std::string parts_of(std::string_view text, std::size_t step) {
    support::tool_stream stream;
    std::string out;
    bool open = false;
    const auto take = [&] {
        for (const auto& part : stream.take()) {
            using kind = support::tool_stream::part::kind;
            if (part.what != kind::arguments && open) out += '\1', open = false;
            if (part.what == kind::call) out += '\2';
            out += part.text;
            open = part.what == kind::arguments || part.what == kind::call;
        }
    };
    for (std::size_t at = 0; at < text.size(); at += step) stream.push(text.substr(at, step)), take();
    stream.finish(), take();
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    const std::size_t cut = all.find('\0');
    const std::string_view rest = cut == std::string_view::npos ? "" : all.substr(cut + 1);
    require(parts_of(rest, rest.size() + 1) == parts_of(rest, 3));

    const auto program = jinja::program::parse(all.substr(0, cut));
    if (!program) return require(!program.fault().sentence.empty()), 0;
    const auto given = jinja::value::from_json(rest);
    const jinja::render_limits limits{.bytes = 1 << 16, .steps = 100'000, .now = 0};
    const jinja::map context =
        given && given->as_map() ? *given->as_map() : jinja::map{{"messages", given ? *given : jinja::value()}};
    const auto text = program->render(context, limits), again = program->render(context, limits);
    require(static_cast<bool>(text) == static_cast<bool>(again));
    if (!text) return 0;
    require(text->bytes.size() <= limits.bytes && text->by_template.size() == text->bytes.size());
    require(text->bytes == again->bytes && text->by_template == again->by_template);
    return 0;
}
