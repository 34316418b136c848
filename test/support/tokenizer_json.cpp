// SPDX-License-Identifier: Apache-2.0
// golden.splits compares ids with `tokenizers`; here is what a tokenizer.json may say, and what must be refused.
#include <doctest/doctest.h>

#include <string>

#include <support/tokenizer.hpp>

using namespace ashlar;
using support::specials;
using support::tokenizer;

namespace {

const std::string level = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true})";

// Parts of a file; each test changes one.
struct file {
    std::string model = R"("type":"BPE")";
    std::string vocabulary = R"("a":0,"b":1,"ab":2,"abb":3)";
    std::string merges = R"("a b",["ab","b"])";
    std::string added = R"({"id":4,"content":"<end>","special":true},{"id":5,"content":"[tool]","special":false})";
    std::string steps = level;
    std::string normalizer = "null";

    std::string text() const {
        return R"({"added_tokens":[)" + added + R"(],"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + steps +
               R"(,"model":{)" + model + R"(,"vocab":{)" + vocabulary + R"(},"merges":[)" + merges + "]}}";
    }
};

errc refused(const file& f) {
    const auto read = tokenizer::from_json(f.text());
    REQUIRE_FALSE(read);
    CHECK(read.fault().sentence.size() > 10);
    return read.fault().what.code;
}

} // namespace

TEST_CASE("merges of both spellings are read, added tokens are special or always there") {
    const auto words = tokenizer::from_json(file{}.text());
    REQUIRE(words);
    CHECK(words->size() == 6);
    CHECK(words->encode("abbab", specials::parse) == std::vector<token_id>{3, 2});
    CHECK(words->encode("a<end>b[tool]", specials::parse) == std::vector<token_id>{0, 4, 1, 5});
    CHECK(words->encode("[tool]<end>", specials::as_text) == std::vector<token_id>{5}); // no token has < or >
    CHECK(words->is_special(4));
    CHECK_FALSE(words->is_special(5));
}

TEST_CASE("added tokens that are not to be normalised are found first") {
    file f;
    f.added = R"({"id":4,"content":"ba","special":false,"normalized":false},)"
              R"({"id":5,"content":"abab","special":false,"normalized":true})";
    const auto encode = [&](const char* text) { return tokenizer::from_json(f.text())->encode(text, specials::parse); };
    CHECK(encode("abab") == std::vector<token_id>{0, 4, 1});
    f.added = R"({"id":4,"content":"ba","special":false,"normalized":true},)"
              R"({"id":5,"content":"abab","special":false,"normalized":true})";
    CHECK(encode("abab") == std::vector<token_id>{5});
    f.normalizer = R"({"type":"NFC"})";
    CHECK(encode("abab") == std::vector<token_id>{5});
    CHECK(encode("baa\u030a") == std::vector<token_id>{4}); // no token has a byte of the composed letter
    f.added = R"({"id":4,"content":"a\u030a","special":false,"normalized":true})";
    CHECK(refused(f) == errc::unsupported);
}

TEST_CASE("a word that is a token needs no merges where the file says so") {
    file f;
    f.merges = "\"a b\"";
    CHECK(tokenizer::from_json(f.text())->encode("abb", specials::parse) == std::vector<token_id>{2, 1});
    f.model += R"(,"ignore_merges":true)";
    CHECK(tokenizer::from_json(f.text())->encode("abb", specials::parse) == std::vector<token_id>{3});
}

TEST_CASE("what would change the ids and is not done is refused") {
    const auto with = [](auto change) {
        file f;
        change(f);
        return refused(f);
    };
    CHECK(with([](auto& f) { f.model = R"("type":"Unigram")"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.model += R"(,"byte_fallback":true)"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.model += R"(,"unk_token":"a")"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.model += R"(,"dropout":0.1)"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.normalizer = R"({"type":"Lowercase"})"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.steps = "null"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.steps = R"({"type":"Whitespace"})"; }) == errc::unsupported);
    CHECK(with([](auto& f) { f.steps = R"({"type":"ByteLevel","add_prefix_space":true})"; }) == errc::unsupported);
    CHECK(with([](auto& f) {
              f.steps = R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\d"},)"
                        R"("behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})";
          }) == errc::unsupported);
    CHECK(with([](auto& f) { f.added = R"({"id":4,"content":"<e>","special":true,"lstrip":true})"; }) ==
          errc::unsupported);
}

TEST_CASE("vocabularies that contradict themselves are refused, as is a file cut at any byte") {
    const auto with = [](auto change) {
        file f;
        change(f);
        return refused(f);
    };
    CHECK(with([](auto& f) { f.vocabulary = R"("a":0,"b":0)"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.vocabulary = R"("a":0,"b":1,"ab":2,"abb":7)"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.vocabulary = R"("a":0,"b":18446744073709551615)"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.vocabulary = R"("a":0,"b":-1)"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.vocabulary = R"("a":0,"a":0)"; }) == errc::corrupt);
    CHECK(with([](auto& f) {
              f.vocabulary = "";
              f.added = "";
          }) == errc::corrupt);
    CHECK(with([](auto& f) { f.added = R"({"id":4})"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.added = "7"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.added = R"({"id":1,"content":"<end>"})"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.merges = R"("a  b")"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.merges = R"("a")"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.merges = R"(["a"])"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.merges = R"("a b","a b")"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.merges = R"("b a")"; }) == errc::corrupt);
    CHECK(with([](auto& f) { f.merges = "7"; }) == errc::corrupt);
    const std::string whole = file{}.text();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto read = tokenizer::from_json(whole.substr(0, size));
        REQUIRE_FALSE(read);
        CHECK(read.fault().what.code == errc::corrupt);
    }
}
