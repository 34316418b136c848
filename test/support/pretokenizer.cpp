// SPDX-License-Identifier: Apache-2.0
// golden.splits compares thousands of strings with the `regex` module; here are the rules, one by one.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <support/pretokenizer.hpp>

using ashlar::support::end_of_word;
using ashlar::support::pretokenizer;

static std::vector<std::string> split(pretokenizer kind, std::string_view text) {
    std::vector<std::string> out;
    for (std::size_t at = 0, end; at < text.size(); at = end) {
        end = end_of_word(kind, text, at);
        REQUIRE(end > at);
        REQUIRE(end <= text.size());
        out.emplace_back(text.substr(at, end - at));
    }
    return out;
}

using words = std::vector<std::string>;

TEST_CASE("numbers stay whole, in threes or alone") {
    CHECK(split(pretokenizer::gpt2, "x 12345") == words{"x", " 12345"});
    CHECK(split(pretokenizer::llama3, "x 12345") == words{"x", " ", "123", "45"});
    CHECK(split(pretokenizer::qwen2, "x 123") == words{"x", " ", "1", "2", "3"});
    CHECK(split(pretokenizer::smollm, "x 123") == words{"x", " ", "1", "2", "3"});
}

TEST_CASE("contractions end a word, in any case only for the modern patterns") {
    CHECK(split(pretokenizer::gpt2, "it's WE'LL") == words{"it", "'s", " WE", "'", "LL"});
    CHECK(split(pretokenizer::llama3, "it's WE'LL") == words{"it", "'s", " WE", "'LL"});
    CHECK(split(pretokenizer::qwen2, "'\xc5\xbfo") == words{"'\xc5\xbf", "o"}); // the long s folds to s
}

TEST_CASE("one mark of any kind may lead a modern word, and line ends go with marks and spaces before them") {
    CHECK(split(pretokenizer::gpt2, "(x") == words{"(", "x"});
    CHECK(split(pretokenizer::llama3, "(x\tz") == words{"(x", "\tz"});
    CHECK(split(pretokenizer::llama3, "};\n\n  y") == words{"};\n\n", " ", " y"});
    CHECK(split(pretokenizer::llama3, "a \n  \n b") == words{"a", " \n  \n", " b"});
    CHECK(split(pretokenizer::gpt2, "a \n  \n b") == words{"a", " \n  \n", " b"});
    CHECK(split(pretokenizer::gpt2, "};\n") == words{"};", "\n"});
}
