// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include <support/gguf.hpp>
#include <support/tiny_gguf.hpp>
#include <support/tokenizer.hpp>
#include <support/unicode.hpp>

using namespace ashlar;
using support::specials;
using support::tokenizer;

namespace {

constexpr const char* space = "\xc4\xa0"; // U+0120: how GPT-2 writes a space

support::outcome<tokenizer> from(const test::vocabulary& words, auto&& add) {
    test::gguf_writer w;
    words.write(w);
    add(w);
    const std::string bytes = w.finish();
    const auto file = support::gguf::parse(std::as_bytes(std::span(bytes)));
    REQUIRE(file);
    return tokenizer::from(*file);
}
support::outcome<tokenizer> from(const test::vocabulary& words) {
    return from(words, [](auto&) {});
}

// the, and its beginnings; " the"; two control tokens; one that a user defined
test::vocabulary small() {
    test::vocabulary v;
    v.add("th"), v.add("the"), v.add(std::string(space) + "the"), v.add("he");
    v.merge("t", "h"), v.merge("th", "e"), v.merge(space, "the"), v.merge("h", "e");
    v.add("<|im_start|>", 3), v.add("<|im_end|>", 3), v.add("[tool]", 4);
    return v;
}
constexpr token_id th = 256, the = 257, _the = 258, he = 259, start = 260, end = 261, tool = 262;

std::vector<token_id> ids(std::initializer_list<token_id> list) { return list; }

} // namespace

TEST_CASE("merges apply by rank, not by place") {
    const auto words = from(small());
    REQUIRE(words);
    CHECK(words->encode("the the", specials::as_text) == ids({the, _the}));
    CHECK(words->encode("th", specials::as_text) == ids({th}));
    CHECK(words->encode("hhe", specials::as_text) == ids({'h', he}));
    CHECK(words->encode("tthe", specials::as_text) == ids({'t', the}));
    CHECK(words->encode("", specials::as_text).empty());
}

TEST_CASE("every digit is a word, and a space goes with the word behind it") {
    const auto words = from(small());
    REQUIRE(words);
    CHECK(words->encode("1the", specials::as_text) == ids({'1', the}));
    CHECK(words->encode("  the", specials::as_text) == ids({' ', _the}));
    CHECK(words->encode("the 1", specials::as_text) == ids({the, ' ', '1'}));
}

TEST_CASE("a file names its pre-tokenizer, and Llama 3's takes a word that is a token as it is") {
    auto vocabulary = small();
    vocabulary.add("12"), vocabulary.add("123"), vocabulary.merge("1", "2");
    const auto encode = [&](const char* pre) {
        vocabulary.pre = pre;
        const auto words = from(vocabulary);
        REQUIRE(words);
        return words->encode("12312", specials::as_text);
    };
    CHECK(encode("smollm") == ids({'1', '2', '3', '1', '2'}));
    CHECK(encode("qwen2") == ids({'1', '2', '3', '1', '2'}));
    CHECK(encode("gpt-2") == ids({263, '3', 263}));
    CHECK(encode("llama-bpe") == ids({264, 263}));
}

TEST_CASE("control tokens are tokens only where they are asked for; user-defined ones always") {
    const auto words = from(small());
    REQUIRE(words);
    CHECK(words->encode("<|im_start|>the<|im_end|>", specials::parse) == ids({start, the, end}));
    const auto text = words->encode("<|im_start|>the<|im_end|>", specials::as_text);
    CHECK(std::ranges::none_of(text, [&](token_id id) { return words->is_special(id); }));
    CHECK(words->decode(text, true) == "<|im_start|>the<|im_end|>");
    CHECK(words->encode("the[tool]the", specials::as_text) == ids({the, tool, the}));
    CHECK(words->encode("<|im_star", specials::parse).size() == 9);
    CHECK(words->special("<|im_end|>") == end);
    CHECK(!words->special("the"));
    CHECK(words->decode(ids({start, the, end}), true) == "the");
    CHECK(words->decode(ids({start, the, end}), false) == "<|im_start|>the<|im_end|>");
}

TEST_CASE("the longest control token wins where several begin") {
    test::vocabulary v;
    v.add("<a>", 3), v.add("<a><b>", 3), v.add("<b>", 3);
    const auto words = from(v);
    REQUIRE(words);
    CHECK(words->encode("<a><b><a>", specials::parse) == ids({257, 256}));
}

TEST_CASE("all valid text comes back, and all bytes become tokens") {
    const auto words = from(small());
    REQUIRE(words);
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (unsigned n = random() % 20; n > 0; --n) {
            const std::uint32_t most[] = {0x80, 0x800, 0x10000, 0x110000};
            const std::uint32_t code = random() % most[random() % 4];
            if (code < 0xd800 || code >= 0xe000)
                support::append_utf8(text, code);
            else
                text += "the ";
        }
        for (const auto how : {specials::as_text, specials::parse})
            CHECK(words->decode(words->encode(text, how), false) == text);
        std::string bytes;
        for (unsigned n = random() % 20; n > 0; --n) bytes += static_cast<char>(random());
        const auto shown = words->decode(words->encode(bytes, specials::parse), false);
        CHECK(words->decode(words->encode(shown, specials::as_text), false) == shown); // valid by now
    }
}

TEST_CASE("a character that is split over tokens is shown when it is whole, and never in halves") {
    const auto words = from(small());
    REQUIRE(words);
    support::detokenizer text(*words);
    CHECK(text.push(0xf0) == "");
    CHECK(text.push(0x9f) == "");
    CHECK(text.push(0xa7) == "");
    CHECK(text.push(0xb1) == "🧱");
    CHECK(text.push(0xe2) == "");
    CHECK(text.push(the) == "\xef\xbf\xbdthe"); // can no longer become one
    CHECK(text.push(0xc3) == "");
    CHECK(text.finish() == "\xef\xbf\xbd");
    CHECK(text.finish() == "");
    CHECK(text.push(0x80) == "\xef\xbf\xbd"); // never a beginning
    CHECK(text.push(0xed) == "");
    CHECK(text.push(0xa0) == "\xef\xbf\xbd\xef\xbf\xbd"); // a surrogate: neither byte belongs
    CHECK(text.push(0xf4) == "");
    CHECK(text.push(0x90) == "\xef\xbf\xbd\xef\xbf\xbd"); // above U+10FFFF
}

TEST_CASE("what comes token by token is what comes at once, whatever the bytes") {
    const auto words = from(small());
    REQUIRE(words);
    std::mt19937 random(11);
    for (int round = 0; round < 3000; ++round) {
        std::vector<token_id> list;
        for (unsigned n = random() % 12; n > 0; --n)
            list.push_back(static_cast<token_id>(random() % 4 ? 0x80 + random() % 0x80 : random() % 263));
        support::detokenizer text(*words, false);
        std::string joined;
        for (const auto id : list) {
            const auto shown = text.push(id);
            for (std::size_t at = 0; at < shown.size();) { // each piece is valid UTF-8 by itself
                const auto read = support::read_utf8(shown, at);
                REQUIRE(read.length > 0);
                at += read.length;
            }
            joined += shown;
        }
        joined += text.finish();
        CHECK(joined == words->decode(list, false));
    }
}

TEST_CASE("ids outside the vocabulary stand for nothing") {
    const auto words = from(small());
    REQUIRE(words);
    for (const token_id id :
         {-1, 263, 1 << 30, std::numeric_limits<token_id>::min(), std::numeric_limits<token_id>::max()}) {
        CHECK(!words->contains(id));
        CHECK(words->bytes_of(id).empty());
        CHECK(!words->is_special(id));
        const token_id around[] = {the, id, the};
        CHECK(words->decode(around, true) == "thethe");
    }
}

TEST_CASE("a vocabulary without some bytes leaves them out and does not fall over") {
    test::vocabulary v;
    v.tokens = {"a", "b"}, v.kinds = {1, 1};
    v.add("ab"), v.merge("a", "b");
    const auto words = from(v);
    REQUIRE(words);
    CHECK(words->encode("axb", specials::as_text) ==
          ids({2})); // as `tokenizers` without an unknown token: neighbours meet
    CHECK(words->encode("xyz", specials::as_text).empty());
}

TEST_CASE("merges that contradict the vocabulary or themselves are refused") {
    const auto refused = [](auto&& spoil) {
        auto v = small();
        spoil(v);
        const auto words = from(v);
        REQUIRE(!words);
        CHECK(words.fault().what.code == errc::corrupt);
        CHECK(words.fault().sentence.size() > 10);
    };
    refused([](auto& v) { v.merge("t", "h"); });  // twice
    refused([](auto& v) { v.merge("x", "y"); });  // joins to nothing known
    refused([](auto& v) { v.merge("the", ""); }); // would go round in a circle
    refused([](auto& v) { v.merge("", "the"); });
    refused([](auto& v) { v.merge("nowhere", "a"); });
    refused([](auto& v) { v.merges.push_back("th"); }); // no pair
    refused([](auto& v) { v.merges.push_back(""); });
    refused([](auto& v) { v.add("the"); }); // a token twice
    refused([](auto& v) { v.add(""); });
    refused([](auto& v) { v.add("\xff"); }); // not in the byte alphabet
    refused([](auto& v) { v.add("日"); });
    refused([](auto& v) { v.kinds.pop_back(); });
    refused([](auto& v) { v.tokens.clear(), v.kinds.clear(), v.merges.clear(); });
}

TEST_CASE("the longest chain of merges on the longest word takes no quadratic time") {
    test::vocabulary v; // a, aa, aaaa, … : every merge makes another possible
    std::string unit = "a";
    for (int i = 0; i < 14; ++i) {
        v.merge(unit, unit);
        unit += unit;
        v.add(unit);
    }
    const auto words = from(v);
    REQUIRE(words);
    const std::string text((1 << 18) + 3, 'a');
    const auto list = words->encode(text, specials::as_text);
    CHECK(list.size() == (1 << 4) + 2);
    CHECK(words->decode(list, false) == text);
}

TEST_CASE("a file says where texts begin and end; Llama 3's begin with a token unless it says no") {
    const auto frame = [](const char* pre, auto&& add) {
        auto vocabulary = small();
        vocabulary.pre = pre;
        const auto words = from(vocabulary, [&](auto& w) {
            w.u32("tokenizer.ggml.bos_token_id", start), w.u32("tokenizer.ggml.eos_token_id", end);
            w.u32("tokenizer.ggml.eot_token_id", tool);
            add(w);
        });
        REQUIRE(words);
        return words->frame();
    };
    const auto nothing = [](auto&) {};
    const auto yes = [](auto& w) { w.template number<std::uint8_t>("tokenizer.ggml.add_bos_token", 7, 1); };
    const auto no = [](auto& w) { w.template number<std::uint8_t>("tokenizer.ggml.add_bos_token", 7, 0); };
    CHECK(frame("smollm", nothing).begin == start);
    CHECK(frame("smollm", nothing).end == end);
    CHECK(frame("smollm", nothing).ends == ids({end, tool}));
    CHECK_FALSE(frame("smollm", nothing).begins);
    CHECK(frame("llama-bpe", nothing).begins);
    CHECK(frame("smollm", yes).begins);
    CHECK_FALSE(frame("llama-bpe", no).begins);
}

TEST_CASE("Qwen's words are read in normalization form C, and what is no UTF-8 stays what it was") {
    auto vocabulary = small();
    const auto encode = [&](const char* pre, const char* text) {
        vocabulary.pre = pre;
        const auto words = from(vocabulary);
        REQUIRE(words);
        return words->decode(words->encode(text, specials::as_text), false);
    };
    CHECK(encode("qwen2", "e\u0301the[tool]a\u030a") == "\u00e9the[tool]\u00e5");
    CHECK(encode("llama-bpe", "e\u0301") == "e\u0301");
    CHECK(encode("qwen2", "\xff"
                          "e\u0301\xcc") == "\ufffd\u00e9\ufffd");
}

TEST_CASE("a vocabulary is padded with tokens that stand for nothing") {
    auto words = from(small());
    REQUIRE(words);
    const auto size = words->size();
    words->pad(size + 3);
    CHECK(words->size() == size + 3);
    CHECK(words->bytes_of(static_cast<token_id>(size)).empty());
    CHECK(words->bytes_of(tool) == "[tool]");
    CHECK(words->decode(ids({the, static_cast<token_id>(size + 2), the}), false) == "thethe");
    words->pad(1);
    CHECK(words->size() == size + 3);
}

TEST_CASE("another tokenizer, and what this one does not do, is refused in words") {
    const auto refused = [](auto&& add, errc code) {
        const auto words = from(small(), add);
        REQUIRE(!words);
        CHECK(words.fault().what.code == code);
        CHECK(words.fault().sentence.size() > 10);
    };
    refused([](auto& w) { w.template number<std::uint8_t>("tokenizer.ggml.add_bos_token", 7, 1); }, errc::corrupt);
    refused([](auto& w) { w.template number<std::uint8_t>("tokenizer.ggml.add_eos_token", 7, 1); }, errc::unsupported);
    refused([](auto& w) { w.template number<std::uint8_t>("tokenizer.ggml.add_space_prefix", 7, 1); },
            errc::unsupported);
    refused([](auto& w) { w.u32("tokenizer.ggml.eos_token_id", 100000); }, errc::corrupt);
    refused([](auto& w) { w.text("tokenizer.ggml.bos_token_id", "0"); }, errc::invalid_argument);
    auto byte_token = small();
    byte_token.add("<0x00>", 6);
    CHECK(from(byte_token).fault().what.code == errc::unsupported);

    test::gguf_writer empty, other;
    other.text("tokenizer.ggml.model", "llama"), other.text("tokenizer.ggml.pre", "default");
    for (auto* w : {&empty, &other}) {
        const std::string bytes = w->finish();
        const auto file = support::gguf::parse(std::as_bytes(std::span(bytes)));
        REQUIRE(file);
        CHECK(tokenizer::from(*file).fault().what.code == (w == &empty ? errc::not_found : errc::unsupported));
    }
}
