# SPDX-License-Identifier: Apache-2.0
r"""Makes examples/support/unicode_tables.hpp:  python3 make_unicode.py > ../../examples/support/unicode_tables.hpp

Asks `tokenizers` about every code point, instead of trusting a database of another Unicode version: does its Digits
step split it off, does its ByteLevel step take it for \p{L} or \s? (The two steps know different Unicode versions, but
every \p{N} of the pattern is split off by Digits before: checked here, so the pattern's own \p{N} never matches.)
"""
import tokenizers
from tokenizers import pre_tokenizers

digits = pre_tokenizers.Digits(individual_digits=True)
level = pre_tokenizers.ByteLevel(add_prefix_space=False)


def pieces(step, text):
    return len(step.pre_tokenize_str(text))


def category(c):
    if pieces(digits, "a" + c + "a") == 3:
        return "number"
    assert pieces(level, "1" + c) == 2, hex(ord(c))
    return "letter" if pieces(level, "a" + c) == 1 else "other" if pieces(level, "!" + c) == 1 else "space"


ranges = []
for code in range(0x110000):
    kind = "other" if 0xD800 <= code < 0xE000 else category(chr(code))
    if ranges and ranges[-1][2] == kind and ranges[-1][1] == code - 1:
        ranges[-1][1] = code
    else:
        ranges.append([code, code, kind])

print("// SPDX-License-Identifier: Apache-2.0")
print("// Which code points are letters (\\p{L}), numbers (\\p{N}) and white space (\\s), as ranges in rising order.")
print("// Made by test/golden/make_unicode.py, which asked "
      f"tokenizers {tokenizers.__version__} about every code point.")
print("//\n//     for (auto [first, last] : support::unicode_letters) ...")
print("#pragma once\n\n#include <cstdint>\n\nnamespace ashlar::support {\n")
print("struct unicode_range {\n    std::uint32_t first, last;\n};")
for kind in ("letter", "number", "space"):
    print(f"\ninline constexpr unicode_range unicode_{kind}s[] = {{")
    line = "   "
    for first, last, _ in (r for r in ranges if r[2] == kind):
        item = f" {{0x{first:x}, 0x{last:x}}},"
        if len(line) + len(item) > 120:
            print(line)
            line = "   "
        line += item
    print(line.rstrip(",") + "};")
print("\n} // namespace ashlar::support")
