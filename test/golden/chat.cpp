// SPDX-License-Identifier: Apache-2.0
// golden.chat: conversations become the text that jinja2 makes of the model's own template, and its tokens; except that
// a control token which somebody wrote into a message stays text.
#include <golden/golden.hpp>

#include <algorithm>

#include <support/chat_template.hpp>
#include <support/tokenizer.hpp>

using namespace ashlar;

namespace {

std::string text(golden::data& in) {
    const auto bytes = in.take<char>(in.one<std::uint32_t>());
    return {bytes.begin(), bytes.end()};
}

} // namespace

int main() {
    const auto file = golden::open_model();
    const auto words = support::tokenizer::from(file.directory());
    if (!words) golden::stop(words.fault().sentence);
    const auto own = support::chat_template::from(file.directory().text("tokenizer.chat_template"), *words);
    if (!own) golden::stop(own.fault().sentence);

    std::size_t conversations = 0, wrong = 0, forged = 0;
    golden::data in("chat.bin");
    for (auto templates = in.one<std::uint32_t>(); templates > 0; --templates) {
        const std::string program = text(in);
        const auto chat = support::chat_template::of(program);
        if (!chat) golden::stop(chat.fault().sentence);
        for (auto cases = in.one<std::uint32_t>(); cases > 0; --cases, ++conversations) {
            std::vector<std::string> parts(std::size_t{in.one<std::uint32_t>()} * 2);
            for (auto& part : parts) part = text(in);
            const std::string rendered = text(in);
            const auto expected = in.take<std::uint16_t>(in.one<std::uint32_t>());
            std::vector<support::chat_turn> turns;
            for (std::size_t i = 0; i < parts.size(); i += 2) turns.push_back({parts[i], parts[i + 1]});
            std::vector<token_id> ids;
            if (const auto count = chat->encode(turns, {}, *words, ids); !count) golden::stop(count.fault().sentence);

            const auto controls = std::ranges::count_if(ids, [&](token_id id) { return words->is_special(id); });
            const auto written = std::ranges::count_if(expected, [&](token_id id) { return words->is_special(id); });
            const bool system =
                rendered.starts_with("<|im_start|>system") && (turns.empty() || turns[0].role != "system");
            const auto own_text = chat->render(turns);
            if (!own_text) golden::stop(own_text.fault().sentence);
            bool right = std::string_view(own_text->bytes) == rendered && words->decode(ids, false) == rendered;
            right &=
                static_cast<std::size_t>(controls) == 2 * (turns.size() + system) + 1; // those of the format, no more
            if (written == controls)
                right &= std::equal(ids.begin(), ids.end(), expected.begin(), expected.end());
            else
                ++forged;
            if (right) continue;
            ++wrong;
            std::printf("another prompt than the reference's:\n%s\n---\n%s\n", rendered.c_str(),
                        own_text->bytes.c_str());
        }
    }
    if (!in.done()) golden::stop("chat.bin has bytes left over");
    const bool pass = wrong == 0 && conversations >= 60 && forged > 0;
    std::printf("golden.chat conversations=%zu forged_controls=%zu different=%zu %s\n", conversations, forged, wrong,
                pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
