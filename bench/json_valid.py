#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""json_valid.py PROGRAM: percent of the answers under the 50 schemas of test/golden/json_schemas.json that jsonschema
calls valid (one that max_tokens cuts is not), and tokens per second beside free text of the same lengths, in turns."""
import json
import statistics
import subprocess
import sys
import time

from serving import ROOT, Server

VERSION, ROUNDS, MOST = "4.26.0", 7, 256


def validate(pairs):
    """[(schema, text)] -> [why not, or ""], by jsonschema in a folder of its own."""
    folder = ROOT / "build/venv-jsonschema"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", f"jsonschema=={VERSION}"], check=True,
                       stdout=sys.stderr)
        (folder / "installed").touch()
    program = ("import json, sys, jsonschema\nout = []\nfor schema, text in json.load(sys.stdin):\n  try:\n"
               "    jsonschema.validate(json.loads(text), schema)\n    out.append('')\n"
               "  except Exception as why:\n    out.append(str(why)[:200])\nprint(json.dumps(out))")
    run = subprocess.run([folder / "bin/python", "-c", program], input=json.dumps(pairs), check=True, text=True,
                         stdout=subprocess.PIPE)
    return json.loads(run.stdout)


listed = json.loads((ROOT / "test/golden/json_schemas.json").read_text(encoding="utf-8"))["schemas"]
with Server("--role", "unified", "--pool-mib", "128") as server:
    def ask(schema, **more):
        start = time.monotonic()
        answer = server.chat("Answer in JSON, shortly. This is the schema: " + json.dumps(schema)[:600], seed=1, **more)
        return answer, time.monotonic() - start

    pairs, cut, longest = [], 0, []
    for each in listed:
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": each["schema"]}}
        answer, _ = ask(each["schema"], response_format=form, max_tokens=MOST)
        choice = answer["choices"][0]
        longest.append((answer["usage"]["completion_tokens"], each["schema"], form))
        if choice["finish_reason"] == "length":
            cut += 1
            print(f"json_valid: {each['from']}: cut at {MOST} tokens", file=sys.stderr, flush=True)
        else:
            pairs.append((each["schema"], choice["message"]["content"]))
    wrong = [(schema, text, why) for (schema, text), why in zip(pairs, validate(pairs)) if why]
    for schema, text, why in wrong:
        print(f"json_valid: {json.dumps(schema)}: {text!r}: {why}", file=sys.stderr, flush=True)

    # Speed: those with the five longest answers, each beside free text of as many tokens.
    longest = sorted(longest, key=lambda each: -each[0])[:5]
    ratios, ours, free = [], [], []
    for number in range(ROUNDS):
        spent = {"ours": [0, 0.0], "free": [0, 0.0]}
        for tokens, schema, form in longest:
            for who in ("ours", "free") if number % 2 else ("free", "ours"):
                more = {"response_format": form} if who == "ours" else {"ignore_eos": True}
                answer, seconds = ask(schema, max_tokens=tokens, **more)
                spent[who][0] += answer["usage"]["completion_tokens"]
                spent[who][1] += seconds
        ours.append(spent["ours"][0] / spent["ours"][1])
        free.append(spent["free"][0] / spent["free"][1])
        ratios.append(ours[-1] / free[-1])
        print(f"json_valid: {number + 1} of {ROUNDS}: {ours[-1]:.1f} and {free[-1]:.1f} tokens/s", file=sys.stderr,
              flush=True)

print(json.dumps({"ours": statistics.median(ours), "peer": statistics.median(free), "peer_name": "free text",
                  "ratio": statistics.median(ours) / statistics.median(free), "min": min(ratios), "max": max(ratios),
                  "n": ROUNDS, "unit": "tokens/s", "schemas": len(listed), "invalid": len(wrong), "cut": cut,
                  "valid_percent": 100 * (len(pairs) - len(wrong)) / len(listed)}))
