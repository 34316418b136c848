// SPDX-License-Identifier: Apache-2.0
// golden.splits: the pre-tokenizers of GPT-2, Llama 3 and Qwen2 split every committed string where the `regex` module
// matches their patterns, and a tokenizer.json with each gives the ids that `tokenizers` gives. Needs no model.
#include <golden/golden.hpp>

#include <support/tokenizer.hpp>

using namespace ashlar;
using support::pretokenizer;

int main() {
    constexpr std::pair<const char*, pretokenizer> kinds[] = {
        {"gpt2", pretokenizer::gpt2}, {"llama3", pretokenizer::llama3}, {"qwen2", pretokenizer::qwen2}};
    std::vector<support::tokenizer> tokenizers;
    for (const auto& [name, kind] : kinds) {
        std::ifstream in(std::string(ASHLAR_GOLDEN_DATA) + "/tokenizers/" + name + ".json");
        auto read = support::tokenizer::from_json(std::string{std::istreambuf_iterator<char>(in), {}});
        if (!read) golden::stop(std::string(name) + ".json: " + read.fault().sentence);
        tokenizers.push_back(std::move(read).value());
    }
    golden::data in("splits.bin");
    const auto strings = in.one<std::uint32_t>();
    std::size_t wrong = 0;
    for (std::uint32_t i = 0; i < strings; ++i) {
        const auto bytes = in.take<char>(in.one<std::uint32_t>());
        const std::string text(bytes.begin(), bytes.end());
        for (std::size_t k = 0; k < std::size(kinds); ++k) {
            const auto pieces = in.take<std::uint8_t>(in.one<std::uint16_t>());
            const auto expected = in.take<std::uint16_t>(in.one<std::uint16_t>());
            std::vector<std::uint8_t> ours;
            for (std::size_t at = 0, end; at < text.size(); at = end) {
                end = support::end_of_word(kinds[k].second, text, at);
                ours.push_back(static_cast<std::uint8_t>(end - at));
            }
            const auto ids = tokenizers[k].encode(text, support::specials::parse);
            const bool split = ours == pieces;
            const bool same = std::equal(ids.begin(), ids.end(), expected.begin(), expected.end());
            if ((split && same) || ++wrong > 10) continue;
            std::printf("%s string %u: other %s:", kinds[k].first, i, split ? "ids" : "pieces");
            for (const char c : text.substr(0, 40)) std::printf(" %02x", static_cast<unsigned char>(c));
            std::printf("\n");
        }
    }
    const bool pass = in.done() && strings > 1000 && wrong == 0;
    std::printf("golden.splits strings=%u wrong=%zu regex=%s %s\n", strings, wrong, golden::version_of("regex").c_str(),
                pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
