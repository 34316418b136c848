#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""aiconfigurator's time for one AFD point: the peer of bench/plan_rate.cpp.

    python bench/peers/aiconfigurator_rate.py --points 8

Needs aiconfigurator 0.12.0. The point is DeepSeek-V3 on H200, four servers of attention and two of experts, decoding at
4,096 tokens of context; batches differ, so that no point repeats. Two times are taken, both warm, the database in
memory: a whole estimate of its Python interface, and the innermost part, `AFDInferenceSession.run_afd`, with models
and session built already. It prices AFD alone, without colocated alternatives.
"""
import argparse
import json
import logging
import statistics
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=8)
    points = parser.parse_args().points
    logging.disable(logging.CRITICAL)
    try:
        from importlib.metadata import version
        from aiconfigurator.cli.api import cli_estimate
        from aiconfigurator.sdk.inference_session import AFDInferenceSession
    except ImportError as missing:
        sys.exit(f"aiconfigurator is not installed here: {missing}")

    inner, run = [], AFDInferenceSession.run_afd

    def timed(*arguments, **named):
        start = time.perf_counter()
        try:
            return run(*arguments, **named)
        finally:
            inner.append((time.perf_counter() - start) * 1e6)

    AFDInferenceSession.run_afd = timed
    whole = []
    for number in range(points + 2):  # the first two fill its caches
        start = time.perf_counter()
        cli_estimate(model_path="deepseek-ai/DeepSeek-V3", system_name="h200_sxm", mode="afd", backend_name="sglang",
                     isl=4096, osl=2, a_batch_size=32 + number, n_a_nodes=4, n_f_nodes=2, f_moe_ep_size=16,
                     afd_combined_with_pd=False)
        whole.append((time.perf_counter() - start) * 1e6)
    whole, inner = whole[2:], inner[2:]
    print(json.dumps({"program": "aiconfigurator", "version": version("aiconfigurator"), "points": points,
                      "us": round(statistics.median(inner), 1), "us_min": round(min(inner), 1),
                      "us_max": round(max(inner), 1), "whole_us": round(statistics.median(whole), 1)}))


if __name__ == "__main__":
    main()
