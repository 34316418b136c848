# SPDX-License-Identifier: Apache-2.0
r"""Makes splits.bin and tokenizers/: where published pre-tokenizers split text, and tiny tokenizers that use them.

    python3 make_splits.py            # needs regex, tokenizers

tokenizers/<name>.json: byte-level BPE of 400 tokens, trained by `tokenizers` on the strings below.
splits.bin, little-endian: u32 strings; a string: u32 n, bytes[n]; then for gpt2, llama3 and qwen2 each: u16 m,
u8 bytes of each piece [m] as the pattern matches in the `regex` module, u16 k, u16 ids[k] of the tokenizer.
Characters assigned after Unicode 14 are left out: the implementations know different versions.
"""
import json
import random
import struct
import unicodedata

import regex
import tokenizers
from tokenizers import pre_tokenizers

import reference

random.seed(24)
modern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|" \
         r"\s*[\r\n]+|\s+(?!\S)|\s+"
patterns = {"gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            "llama3": modern % "{1,3}", "qwen2": modern % ""}
words = ("the of and stone wall I'll we've they're it's don't I'd I'm I'M IT'S WE'LL They'Re 'S 'Ll '\u017f '\u017fs "
         "x' '' 'sss can't'd naïve Ünïcödé don’t HTTPServer snake_case 0xDEADBEEF 1e-9 3.14 1,000,000 v2.0.1 -- ... "
         "… — ( [] {} // /* */ <| |> $x #tag @me a/b C:\\dir x=1;\n }\n\n //\r\n").split(" ")
spaces = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\r", " \r ", "\t\t", "\u00a0", "\u2003",
          "\u3000", "\u2028", "\x0b", "\x0c", "\x85", "\u200b", "\ufeff", "        "]
others = ["🙂", "👩‍👩‍👧‍👦", "👍🏽", "🇫🇷", "❤️", "1️⃣", "©", "0", "7", "42", "007", "12345", "٣", "९", "½",
          "²", "Ⅷ", "〇", "𝟘", "１２", "日本語", "漢字かな", "한국어", "русский", "עברית",
          "العربية", "हिन्दी", "ไทย", "𐍈𐌰", "ﬁ", "ß", "İ", "ǅ", "ʼ", "ª",
          "e\u0301", "\u0301", "n\u0303o", "\u20dd", "\ufe0f", "\u200d", "\ue000", "\U0010ffff", "\ufffd",
          "\x00", "\x7f"]
pools = [words, words, spaces, spaces, others]


def any_character():
    while True:
        c = chr(random.choice([random.randrange(0x80), random.randrange(0x800), random.randrange(0x10000),
                               random.randrange(0x110000)]))
        if unicodedata.category(c) not in ("Cn", "Cs"):
            return c


def strings():
    yield ""
    for pool in pools:
        yield from pool
    for a in spaces + ["1", "a", "!", "'", "é"]:
        for b in spaces + ["1", "a", "!", "'s", "é"]:
            yield "x" + a + b + "y"
    for _ in range(900):
        yield "".join(random.choice(random.choice(pools)) for _ in range(random.randrange(2, 10)))
    for _ in range(300):
        yield "".join(any_character() for _ in range(random.randrange(1, 10)))
    for _ in range(300):
        yield "".join(random.choice("aZ09 '\n\r.sdLl") for _ in range(random.randrange(1, 24)))


cases = list(dict.fromkeys(strings()))
folder = reference.here / "tokenizers"
folder.mkdir(exist_ok=True)
trained = {}
for name, pattern in patterns.items():
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=name == "llama3"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if name == "gpt2" else (
        pre_tokenizers.Sequence([pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]))
    bpe.train_from_iterator(cases, tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"],
        show_progress=False))
    if name == "qwen2":
        bpe.add_tokens([tokenizers.AddedToken("[tool]", normalized=False)])
    saved = json.loads(bpe.to_str())
    if name == "llama3":  # a word that no merge makes
        saved["model"]["vocab"]["supercalifragilistic"] = len(saved["model"]["vocab"])
    (folder / f"{name}.json").write_text(json.dumps(saved, ensure_ascii=False) + "\n")
    trained[name] = tokenizers.Tokenizer.from_file(str(folder / f"{name}.json"))
cases += ["supercalifragilistic", " supercalifragilistic", "a<|endoftext|>b", "x[tool]y [tool]"]
with open(reference.here / "splits.bin", "wb") as out:
    out.write(struct.pack("<I", len(cases)))
    for text in cases:
        out.write(struct.pack("<I", len(text.encode())) + text.encode())
        for name, pattern in patterns.items():
            pieces = regex.findall(pattern, text)
            assert "".join(pieces) == text, (name, text)
            ids = trained[name].encode(text, add_special_tokens=False).ids
            out.write(struct.pack(f"<H{len(pieces)}B", len(pieces), *(len(p.encode()) for p in pieces)))
            out.write(struct.pack(f"<H{len(ids)}H", len(ids), *ids))
reference.record("splits", ["regex", "tokenizers"])
print(f"splits.bin: {len(cases)} strings")
