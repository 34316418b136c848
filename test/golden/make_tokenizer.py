# SPDX-License-Identifier: Apache-2.0
"""Makes tokenizer.bin and tokenizer_invalid.bin:

    python3 make_tokenizer.py MODEL.gguf                  # needs tokenizers, gguf
    python3 make_tokenizer.py --invalid MODEL.gguf        # needs llama-cpp-python

tokenizer.bin: strings against `tokenizers` with Digits(individual) and ByteLevel over the GGUF's vocabulary.
tokenizer_invalid.bin: bytes that are not UTF-8, against llama.cpp (llama_tokenize through its Python binding).
Format of both, little-endian: u32 cases; a case: u32 n, bytes[n], then twice (control tokens as text, control tokens
parsed): u32 m, u16 ids[m].
"""
import json
import pathlib
import random
import struct
import sys

here = pathlib.Path(__file__).parent
random.seed(20)

words = ("the of and stone wall I'll we've they're it's don't I'd I'm 'S 'Ll ' s x' '' 'sss can't'd naïve Ünïcödé "
         "façade "
         "don’t supercalifragilisticexpialidocious HTTPServer camelCase snake_case __init__ 0xDEADBEEF 1e-9 3.14 "
         "1,000,000 "
         "v2.0.1 -- --- ... … — ( [] {} // /* */ <|> <| |> <|im_start| im_start|> $x #tag @me a/b C:\\dir").split(" ")
controls = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<file_sep>", "<filename>", "<gh_stars>",
            "<issue_start>",
            "<jupyter_code>", "<empty_output>"]
spaces = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\t\t", "\u00a0", "\u2003", "\u3000", "\u2028",
          "\x0b", "\x0c", "\x85",
          "\x1c", "\u200b", "\ufeff", "\u180e", "        "]
emoji = ["🙂", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇫🇷", "❤️", "☃", "1️⃣", "©", "™", "🧱", "\U0001f9d1\u200d\U0001f680"]
digits = ["0", "7", "42", "007", "٣", "९", "½", "²", "Ⅷ", "〇", "๕", "𝟘", "１２", "①", "一", "\U00011de0"]
scripts = ["日本語", "漢字かな", "中文分词", "한국어", "русский", "ελληνικά", "עברית", "العربية", "हिन्दी", "ไทย", "ქართული", "አማርኛ",
           "𐍈𐌰", "𠮷", "ﬁ",
           "ß", "İ", "ı", "ǅ", "ʼ", "ª", "\u0130", "\ua7cb", "\U000323a6"]
marks = ["e\u0301", "a\u0308\u0323", "\u0301", "n\u0303o", "Z̷̢a̵l̴g̸o", "\u0e33", "\u20dd", "\ufe0f", "\u200d",
         "\u202e"]
controls_ascii = [chr(c) for c in range(32)] + ["\x7f", "\x80", "\x9f", "\xad"]
private = ["\ue000", "\U000f0000", "\U0010ffff", "\ufffd", "\ufffe", "\U000e0041", "\U00040000"]
pools = [words, words, spaces, spaces, emoji, digits, digits, scripts, marks, controls_ascii, private, controls]


def any_character():
    while True:
        c = random.choice([random.randrange(0x80), random.randrange(0x800), random.randrange(0x10000),
                           random.randrange(0x110000)])
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def strings():
    yield ""
    for pool in pools:
        yield from pool
    for a in spaces + digits[:3] + ["a", "!", "'", "é"]:
        for b in spaces + digits[:3] + ["a", "!", "'s", "é"]:
            yield a + b
            yield "x" + a + b + "y"
    for c in controls:
        yield from (c + c, "a" + c + "b", " " + c + " ", c[:-1], c[1:], "<" + c + ">", c.upper(), c + "1",
                    "\n" + c + "\n")
    for n in (1, 2, 3, 31, 32, 33, 100, 1000):
        for unit in ("a", " ", "\n", "1", "!", "é", "日", "🙂", "ab", "a ", " a", "'s", "\t", "=-", "\u0301",
                     "\U000f0000"):
            yield unit * n
    yield from ("the" * 3000, "z" * 20000, "".join(any_character() for _ in range(5000)))
    for _ in range(2600):
        yield "".join(random.choice(random.choice(pools)) for _ in range(random.randrange(2, 12)))
    for _ in range(1000):
        yield "".join(any_character() for _ in range(random.randrange(1, 12)))
    for _ in range(600):
        yield "".join(random.choice("aZ09 '\n.sd") for _ in range(random.randrange(1, 30)))


def invalid():
    bad = [b"\x80", b"\xbf", b"\xc0", b"\xc1", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xe0\x80\x80", b"\xe2\x82",
           b"\xe2", b"\xed\xa0\x80",
           b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x9f\x99", b"\xf0\x9f", b"\xf0", b"\xf8", b"\xfe", b"\xff",
           b"\xff\xfe", b"\xe2\x28\xa1",
           b"\xf0\x28\x8c\xbc", b"\xc3\x28", b"\xa0\xa1", b"\xfc\x80\x80\x80\x80\x80", b"\xf0\x9f\x99\xc3",
           b"\xef\xbf", b"\x80\x80\x80\x80"]
    good = [b"", b"a", b" ", b"the stone", b"\n", b"12", b"'s", "é".encode(), "日本".encode(), "🙂".encode(),
            b"<|im_start|>", b"  ", b"."]
    yield from bad
    for a in good:
        for b in bad:
            yield from (a + b, b + a, a + b + a)
    for _ in range(400):
        yield b"".join(random.choice(random.choice([bad, good])) for _ in range(random.randrange(2, 9)))
    for _ in range(300):
        yield bytes(random.choice([random.randrange(0x20, 0x7f), random.randrange(0x80, 0xf0), 0xff])
                    for _ in range(random.randrange(1, 20)))


def is_utf8(b):
    try:
        b.decode()
        return True
    except UnicodeDecodeError:
        return False


def write(name, cases):
    with open(here / name, "wb") as out:
        out.write(struct.pack("<I", len(cases)))
        for text, *both in cases:
            out.write(struct.pack("<I", len(text)) + text)
            for ids in both:
                out.write(struct.pack(f"<I{len(ids)}H", len(ids), *ids))
    print(f"{name}: {len(cases)} cases")


def record(name, **versions):
    path = here / "versions.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = versions
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


if sys.argv[1] == "--invalid":
    import llama_cpp

    words = llama_cpp.Llama(sys.argv[2], vocab_only=True, verbose=False)
    cases = [b for b in dict.fromkeys(invalid()) if not is_utf8(b)]
    write("tokenizer_invalid.bin", [(b, *(words.tokenize(b, add_bos=False, special=s) for s in (False, True)))
                                    for b in cases])
    record("tokenizer_invalid", **{"llama-cpp-python": llama_cpp.__version__})
else:
    import gguf
    import tokenizers

    import reference

    source = reference.file(sys.argv[1])
    plain, parsing = (reference.tokenizer(source, special) for special in (False, True))
    cases = list(dict.fromkeys(strings()))
    assert len(cases) >= 5000, len(cases)
    write("tokenizer.bin", [(s.encode(), *(t.encode(s, add_special_tokens=False).ids for t in (plain, parsing)))
                            for s in cases])
    reference.record("tokenizer", ["tokenizers", "gguf"])
