// SPDX-License-Identifier: Apache-2.0
// golden.nfc compares with Python's unicodedata.
#include <doctest/doctest.h>

#include <string>

#include <support/nfc.hpp>

using ashlar::support::nfc;

TEST_CASE("letters and marks are put together, in the order of the marks' classes") {
    CHECK(nfc("") == "");
    CHECK(nfc("stone") == "stone");
    CHECK(nfc("e\u0301") == "\u00e9");
    CHECK(nfc("\u00e9") == "\u00e9");
    CHECK(nfc("a\u0301\u0323") == "\u1ea1\u0301");
    CHECK(nfc("\u1112\u1161\u11ab") == "\ud55c");
    CHECK(nfc("\u0958") == "\u0915\u093c"); // excluded from composition
    CHECK(nfc("\u0301e") == "\u0301e");
    CHECK(nfc("\xed\xa0\x80") == "\xed\xa0\x80"); // a surrogate stays one
}

TEST_CASE("a text of nothing but marks takes no quadratic time") {
    std::string marks = "a", sorted = "a";
    constexpr int pairs = 200'000;                                 // 8e10 exchanges of neighbours
    for (int i = 0; i < pairs; ++i) marks += "\u0334\u0328\u0323"; // classes 1, 202, 220
    for (const char* mark : {"\u0334", "\u0328", "\u0323"})
        for (int i = 0; i < pairs; ++i) sorted += mark;
    const std::string composed = nfc(marks);
    CHECK(composed.size() == sorted.size() - 1); // a and one ogonek are one letter of two bytes
    CHECK(composed.substr(0, 4) == "\u0105\u0334");
}
