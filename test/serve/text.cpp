// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <text.hpp>

using namespace serve;

namespace {
// What a client has after each piece.
std::vector<std::string> streamed(text_stream& out, std::vector<std::string> pieces) {
    std::vector<std::string> seen;
    for (const auto& piece : pieces) out.push(piece), seen.push_back(out.take());
    out.flush();
    seen.push_back(out.take());
    return seen;
}
using strings = std::vector<std::string>;
} // namespace

TEST_CASE("a character cut in pieces is shown once it is whole") {
    text_stream out;
    CHECK(streamed(out, {"h\xc3", "\xa9", "\xf0\x9f", "\x98", "\x80!"}) ==
          strings{"h", "\xc3\xa9", "", "", "\xf0\x9f\x98\x80!", ""});
}

TEST_CASE("bytes that can no longer become UTF-8 are replaced, one mark for each maximal part") {
    text_stream out;
    CHECK(streamed(out, {"a\xff", "b\xe2\x82", "c\xc3"}) == strings{"a\xef\xbf\xbd", "b",
                                                                    "\xef\xbf\xbd"
                                                                    "c",
                                                                    "\xef\xbf\xbd"});
    CHECK(utf8_repaired("\xf0\x9f\x98|\xed\xa0\x80|\xc0\xaf") ==
          "\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd"); // as Python's errors="replace"
}

TEST_CASE("what may become a stop string is held back, and goes out when it does not") {
    text_stream out({"END"}, false);
    CHECK(streamed(out, {"a E", "N", "x EN"}) == strings{"a ", "", "ENx ", "EN"});
    CHECK_FALSE(out.stopped());
}

TEST_CASE("a stop string ends the text before itself, wherever the pieces are cut") {
    const std::string text = "one two\n\nthree";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        text_stream out({"\n\n"}, false);
        out.push(text.substr(0, cut));
        out.push(text.substr(cut));
        out.flush();
        CHECK(out.take() == "one two");
        CHECK(out.stopped());
    }
}

TEST_CASE("a stop string is shown when the request asks for it") {
    text_stream out({"3"}, true);
    CHECK(streamed(out, {"1 2 ", "3 4", "5"}) == strings{"1 2 ", "3", "", ""});
}

TEST_CASE("of several stop strings the one that is complete first counts") {
    text_stream out({"abcd", "bc"}, false);
    CHECK(streamed(out, {"xab", "cd"}) == strings{"x", "a", ""});
}

TEST_CASE("a stop string that overlaps itself is found") {
    text_stream out({"aab"}, false);
    CHECK(streamed(out, {"a", "a", "a", "b"}) == strings{"", "", "a", "", ""});
    CHECK(out.stopped());
}

TEST_CASE("a stop string that is complete before it counts does not stop; one that is completed later does") {
    text_stream out({"END", "N"}, false);
    for (const char* early : {"a END N", "x EN"}) out.push(early, false);
    CHECK(out.take() == "a END Nx ");
    CHECK_FALSE(out.stopped());
    out.push("x", true); // "EN" was held back for END, and its N does not count
    CHECK(out.take() == "ENx");
    out.push("yE", false);
    out.push("ND", true);
    CHECK(out.take() == "yE"); // the new N alone
    CHECK(out.stopped());
    text_stream late({"END"}, false);
    late.push("yEN", false);
    late.push("D", true);
    CHECK(late.take() == "y");
    CHECK(late.stopped());
}

TEST_CASE("characters are counted, not bytes") {
    CHECK(utf8_characters("") == 0);
    CHECK(utf8_characters("h\xc3\xa9\xf0\x9f\x98\x80") == 3);
}
