#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's decode and prefill rates, through its C API: the peer of bench/model_decoder.cpp.

    python bench/peers/llama_cpp.py --model m.gguf --threads 2 --prompt 512 --decode 64 --rounds 7

Needs llama-cpp-python 0.3.36 built for this processor; only its ctypes declarations of libllama's functions are
used, so that nothing copies logits or samples in Python:

    CMAKE_ARGS=-DGGML_NATIVE=ON pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36
"""
import argparse
import ctypes
import json
import random
import statistics
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    for name, value in (("threads", 2), ("prompt", 512), ("decode", 64), ("rounds", 7)):
        parser.add_argument("--" + name, type=int, default=value)
    want = parser.parse_args()
    sys.path.pop(0)  # this file has the package's name
    try:
        import llama_cpp as package
        from llama_cpp import llama_cpp as api
    except ImportError as missing:
        sys.exit(f"llama-cpp-python is not installed here: {missing}")

    @api.llama_log_callback
    def silent(level, text, data):
        pass

    api.llama_log_set(silent, ctypes.c_void_p(0))
    api.llama_backend_init()
    model = api.llama_model_load_from_file(want.model.encode(), api.llama_model_default_params())
    if not model:
        sys.exit(f"llama.cpp cannot load {want.model}")
    options = api.llama_context_default_params()
    options.n_ctx = want.prompt + want.decode
    options.n_batch = options.n_ubatch = want.prompt
    options.n_threads = options.n_threads_batch = want.threads
    context = api.llama_init_from_model(model, options)
    vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))
    random.seed(1)
    prompt = (ctypes.c_int32 * want.prompt)(*(random.randrange(vocabulary) for _ in range(want.prompt)))
    one = (ctypes.c_int32 * 1)(prompt[0])

    def decode(tokens, count):
        if api.llama_decode(context, api.llama_batch_get_one(tokens, count)) != 0:
            sys.exit("llama_decode failed")
        api.llama_synchronize(context)

    rates = {"decode": [], "prefill": []}
    for round_number in range(want.rounds + 1):  # the first warms up
        api.llama_memory_clear(api.llama_get_memory(context), True)
        start = time.perf_counter()
        decode(prompt, want.prompt)
        middle = time.perf_counter()
        for _ in range(want.decode):
            decode(one, 1)
        end = time.perf_counter()
        if round_number:
            rates["prefill"].append(want.prompt / (middle - start))
            rates["decode"].append(want.decode / (end - middle))

    line = {"program": "llama.cpp", "version": "llama-cpp-python " + package.__version__, "threads": want.threads,
            "prompt": want.prompt, "decode": want.decode, "rounds": want.rounds}
    for name, values in rates.items():
        line[f"{name}_tok_s"] = round(statistics.median(values), 1)
        line[f"{name}_tok_s_min"] = round(min(values), 1)
        line[f"{name}_tok_s_max"] = round(max(values), 1)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
