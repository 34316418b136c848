# SPDX-License-Identifier: Apache-2.0
"""Makes weights.bin: random blocks in every quantised format, and what the `gguf` package de-quantises them to:

    python3 make_weights.py            # needs gguf, numpy

Format, little-endian: u32 formats; a format: u32 n, its name's n bytes, u32 blocks, u32 bytes and u32 columns of one,
the blocks, then float32 [blocks][columns].
"""
import struct

import gguf
import numpy as np

import reference

random = np.random.default_rng(23)
# Where a block has its f16 numbers: scales of any size and sign that are finite.
formats = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
           "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

out = struct.pack("<I", len(formats))
for name, halves in formats.items():
    kind = gguf.GGMLQuantizationType[name]
    columns, size = gguf.GGML_QUANT_SIZES[kind]
    count = 4 if columns == 256 else 16
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in halves:
        scales = (random.standard_normal(count) * 10.0 ** random.integers(-6, 3, count)).astype(np.float16)
        scales[0] = np.float16(6e-8)  # the least subnormal
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(count, 2)
    values = gguf.quants.dequantize(blocks, kind)
    assert values.dtype == np.float32 and values.shape == (count, columns) and np.isfinite(values).all()
    out += struct.pack("<I", len(name)) + name.encode() + struct.pack("<III", count, size, columns)
    out += blocks.tobytes() + values.tobytes()
(reference.here / "weights.bin").write_bytes(out)
reference.record("weights", ["gguf", "numpy"])
print(f"weights.bin: {len(out)} bytes")
