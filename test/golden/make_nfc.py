# SPDX-License-Identifier: Apache-2.0
"""Makes nfc.bin: what normalization form C makes of text, and the token ids of a tokenizer.json that asks for it.

    python3 make_nfc.py            # needs tokenizers

The tokenizer is tokenizers/qwen2.json with the normalizer NFC, and with its added token "[tool]" looked for in the text
after that. Forms are those of Python's unicodedata; where `tokenizers`, which knows an older Unicode, disagrees, there
are no ids. Characters assigned after Unicode 14 are left out.
nfc.bin, little-endian: u32 strings; a string: u32 n, bytes[n], u32 m, its form [m], u16 k, u16 ids[k]. No ids: k is
0xffff.
"""
import random
import struct
import unicodedata

import tokenizers

import reference

random.seed(41)
text = (reference.here / "tokenizers/qwen2.json").read_text("utf-8")
for old, new in (('"normalizer": null', '"normalizer": {"type": "NFC"}'),
                 ('"content": "[tool]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false',
                  '"content": "[tool]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true')):
    assert text.count(old) == 1, old
    text = text.replace(old, new)
tokenizer = tokenizers.Tokenizer.from_str(text)
assigned = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
hangul = [c for c in assigned if "\uac00" <= c <= "\ud7a3"]
changing = [c for c in assigned if unicodedata.normalize("NFD", c) != c and not "\uac00" <= c <= "\ud7a3"]
marks = [c for c in assigned if unicodedata.combining(c)]
bases = [*"aeiounAZ 1>", "\u1100", "\u1161", "\u11a8", "\uac00", "か", "\u0915", "\u1e9b", "é", "\u0344", *changing]


def strings():
    yield "the wall, 42 stones"
    for c in changing + random.sample(hangul, 300):
        yield c
        yield unicodedata.normalize("NFD", c)
    for c in marks:
        yield "x" + c
    for _ in range(1500):
        yield "".join(random.choice(bases) + "".join(random.choice(marks) for _ in range(random.randrange(4)))
                      for _ in range(random.randrange(1, 8)))
    yield "a" + "\u0301\u0323" * 300
    for token in ("[tool]", "<|endoftext|>"):  # ">\u0338" is "\u226f": the one is found before, the other after
        for after in ("", "\u0338", "e\u0301", "\u0301"):
            yield f"e\u0301{token}{after}"
    yield "[tool\u0301]"


cases, disagree = [], 0
for each in dict.fromkeys(strings()):
    form = unicodedata.normalize("NFC", each)
    agree = tokenizer.normalizer.normalize_str(each) == form
    disagree += not agree
    cases.append((each.encode(), form.encode(),
                  tokenizer.encode(each, add_special_tokens=False).ids if agree else None))
with open(reference.here / "nfc.bin", "wb") as out:
    out.write(struct.pack("<I", len(cases)))
    for each, form, ids in cases:
        out.write(struct.pack("<I", len(each)) + each + struct.pack("<I", len(form)) + form)
        out.write(struct.pack("<H", 0xffff) if ids is None else struct.pack(f"<H{len(ids)}H", len(ids), *ids))
reference.record("nfc", ["tokenizers"])
print(f"nfc.bin: {len(cases)} strings, {disagree} of them without ids, Unicode {unicodedata.unidata_version}")
