// SPDX-License-Identifier: Apache-2.0
// golden.nfc: every committed string has the normalization form C that Python's unicodedata gives it, and a
// tokenizer.json that asks for the form gives the ids that `tokenizers` gives. Needs no model.
#include <golden/golden.hpp>

#include <support/nfc.hpp>
#include <support/tokenizer.hpp>

using namespace ashlar;

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    if (at == std::string::npos) golden::stop("qwen2.json does not say " + from);
    return text.replace(at, from.size(), to);
}

} // namespace

int main() {
    std::ifstream file(std::string(ASHLAR_GOLDEN_DATA) + "/tokenizers/qwen2.json");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    text = replaced(text, R"("normalizer": null)", R"("normalizer": {"type": "NFC"})");
    const std::string tool =
        R"("content": "[tool]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": )";
    text = replaced(text, tool + "false", tool + "true");
    const auto words = support::tokenizer::from_json(text);
    if (!words) golden::stop(words.fault().sentence);
    golden::data in("nfc.bin");
    const auto strings = in.one<std::uint32_t>();
    std::size_t wrong = 0, changed = 0;
    for (std::uint32_t i = 0; i < strings; ++i) {
        const auto take = [&] {
            const auto letters = in.take<char>(in.one<std::uint32_t>());
            return std::string(letters.begin(), letters.end());
        };
        const std::string given = take(), form = take();
        const auto count = in.one<std::uint16_t>();
        const auto expected = in.take<std::uint16_t>(count == 0xffff ? 0 : count); // the reference's Unicode is older
        const auto ids = count == 0xffff ? std::vector<token_id>() : words->encode(given, support::specials::parse);
        const bool formed = support::nfc(given) == form;
        const bool same = std::equal(ids.begin(), ids.end(), expected.begin(), expected.end());
        changed += given != form;
        if ((formed && same) || ++wrong > 10) continue;
        std::printf("string %u: %s:", i, formed ? "other ids" : "another form");
        for (const char c : given.substr(0, 40)) std::printf(" %02x", static_cast<unsigned char>(c));
        std::printf("\n");
    }
    const bool pass = in.done() && changed > 1000 && wrong == 0;
    std::printf("golden.nfc strings=%u changed=%zu wrong=%zu tokenizers=%s %s\n", strings, changed, wrong,
                golden::version_of("tokenizers").c_str(), pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
