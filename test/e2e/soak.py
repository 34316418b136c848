#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""soak.py [--minutes N] [--pause S] [--seed S] [--summary FILE]

Hours of ordinary use, shortened: clients that ask without end, that leave in the middle of an answer, that send what is
refused; schemas, grammars and tools that nobody has sent before, several answers to one prompt, log-probabilities. Once
a minute they rest; then every pool has to be free to its last block, and resident memory and descriptors
of every process are noted. Exit status 1 if an answer was wrong or missing, a pool not free, a descriptor lost, or if
memory grew from the first third on by more than 1 MiB an hour (least squares). The pools do not count: their blocks
become resident when they are first used, which may be late.
"""
import argparse
import json
import random
import re
import sys
import tempfile
import time

from load import CHAT, STONE, Load, Questions, body_of
from server import HEARTBEAT_S
from strikes import Supervised, conditions, descriptors

CLIENTS, SEGMENT_S = 2, 60
POOL_KIB = 64 << 10  # of Supervised; in whole blocks, so it is a little less
ROLES = ("supervisor", "router", "prefill", "decode")


def resident_kib(pid):
    """Of all its mappings but the pool, which is anonymous, written to, and of a size that no other has."""
    total = 0
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as maps:
        for size, rss in re.findall(r"^Size:\s+(\d+) kB\n(?:.*\n)*?Rss:\s+(\d+) kB", maps.read(), re.MULTILINE):
            total += int(rss) if not POOL_KIB - 1024 < int(size) <= POOL_KIB else 0
    return total


def slope(values):
    """Least squares, a step of one."""
    n = len(values)
    mean_x, mean_y = (n - 1) / 2, sum(values) / n
    return (sum((x - mean_x) * (y - mean_y) for x, y in enumerate(values)) /
            max(sum((x - mean_x) ** 2 for x in range(n)), 1))


def rudeness(server, chance):
    """A client that leaves in the middle of an answer, and one whose request is refused."""
    answer = server.open("POST", CHAT, {**body_of(chance.randrange(12)), "stream": True, "max_tokens": 60})
    answer.read(chance.randrange(1, 2000))
    answer.close()
    status = server.open("POST", CHAT, json.dumps({"messages": "none"})).status
    assert status == 400, status


def never_sent_before(chance):
    """A schema with names and values of its own, and those."""
    names, words = (["".join(chance.choices("abcdefghij", k=9)) for _ in range(n)] for n in (3, 4))
    return names, words, {
        "type": "object", "required": names, "additionalProperties": False, "properties": {
            names[0]: {"enum": words},
            names[1]: {"type": "integer", "minimum": 0, "maximum": chance.randrange(10, 9999)},
            names[2]: {"type": "array", "items": {"type": "boolean"}, "maxItems": chance.randrange(1, 5)}}}


def variety(server, chance):
    """Yields what is wrong with the answers to requests that a server has to prepare for, one of each kind."""
    names, words, schema = never_sent_before(chance)
    drawn = {"temperature": 1, "seed": chance.randrange(1 << 30)}

    def follows(text):
        value = json.loads(text)
        return sorted(value) == sorted(names) and value[names[0]] in words

    def said(answer):
        return answer["choices"][0]["message"]

    text = said(server.chat("Answer in JSON.", max_tokens=120, **drawn, response_format={
        "type": "json_schema", "json_schema": {"name": "soak", "schema": schema}}))["content"]
    if not follows(text):
        yield f"an answer that does not follow {schema}: {text}"
    function = {"name": "soak", "parameters": schema}
    called = said(server.chat("Call it.", max_tokens=160, **drawn, tools=[{"type": "function", "function": function}],
                              tool_choice="required", parallel_tool_calls=False))["tool_calls"]
    if len(called) != 1 or not follows(called[0]["function"]["arguments"]):
        yield f"a call that does not follow {schema}: {called}"
    text = server.post("/v1/completions", {"prompt": "Is it? ", "max_tokens": 20, **drawn,
                                           "grammar": f'root ::= "{words[0]}" | "{words[1]}"'})["choices"][0]["text"]
    if text not in words[:2]:
        yield f"an answer that is neither {words[0]} nor {words[1]}: {text}"
    choices = server.chat(f"Say {words[2]}. {STONE}", n=3, max_tokens=9, ignore_eos=True, logprobs=True, top_logprobs=3,
                          **drawn)["choices"]
    if [len(choice["logprobs"]["content"]) for choice in choices] != [9, 9, 9]:
        yield f"log-probabilities are missing: {choices}"
    scores = server.post("/v1/completions", {"prompt": f"{words[3]} {STONE}", "echo": True, "max_tokens": 0,
                                             "logprobs": 2})["choices"][0]["logprobs"]["token_logprobs"]
    if len(scores) < 20 or scores[0] is not None or None in scores[1:]:
        yield f"log-probabilities of a prompt are missing: {scores}"
    refused = server.open("POST", CHAT, {**body_of(0), "response_format": {"type": "json_schema", "json_schema": {
        "name": "soak", "schema": {"type": "object", words[0]: 1, "not": {"const": words[1]}}}}})
    if refused.status != 400:
        yield f"a schema that cannot be followed is {refused.status}, not 400"
    refused.read()


def soak(server, minutes, pause, seed, say):
    """(outcomes, requests of variety(), what was lost, role -> [KiB], role -> descriptors at first, at last)"""
    chance, outcomes, lost, prepared = random.Random(seed), [], [], 0
    questions = Questions(server)
    pids = {role: server.process_of(role) for role in ROLES}
    memory, first = {role: [] for role in ROLES}, None
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        with Load(server, questions, CLIENTS, chance.random(), pause) as load:
            stop = min(end, time.monotonic() + SEGMENT_S)
            while time.monotonic() < stop:
                rudeness(server, chance)
                lost += variety(server, chance)
                prepared += 1
                time.sleep(min(15, max(0.1, stop - time.monotonic())))
        outcomes += load.outcomes
        try:
            server.wait_all_free(60)
        except AssertionError as why:
            lost.append(str(why))
        for _ in range(10):  # that its last clients have gone, a server hears a moment later
            time.sleep(0.5)
            last = {role: descriptors(pid) for role, pid in pids.items()}
            first = first or last
            if not any(last[role] - first[role] for role in ROLES):
                break
        for role, pid in pids.items():
            memory[role].append(resident_kib(pid))
        say(f"{len(outcomes)} answers, resident {', '.join(f'{r} {m[-1]} KiB' for r, m in memory.items())}")
    lost += [f"the {role} was started again" for role, pid in pids.items() if server.process_of(role) != pid]
    return outcomes, 6 * prepared, lost, memory, first, last


def report(lines, outcomes, prepared, memory, first, last):
    """Adds what was seen to `lines`; returns what is wrong with it."""
    full = sum(one.kind == "full" for one in outcomes)
    bad = [f"{one.kind}: {one.what}" for one in outcomes if one.kind not in ("full", "error")]
    lines += [f"requests  {len(outcomes)}: {full} full and right, {len(outcomes) - full} typed errors or worse",
             f"          {prepared} with schemas, grammars and tools never sent before, n, log-probabilities",
             f"pools     free to the last block after each of {len(memory['router'])} minutes"]
    for role, each in memory.items():
        steady = each[len(each) // 3:]
        an_hour = 60 * slope(steady)
        lines.append(f"  {role:10} resident without its pool {each[0] / 1024:.1f} MiB at first, {each[-1] / 1024:.1f} "
                     f"at last; from minute {len(each) - len(steady) + 1} on {an_hour:+.0f} KiB an hour; descriptors "
                     f"{sum(first[role].values())} at first, {sum(last[role].values())} at last")
        if an_hour > 1024:
            bad.append(f"the {role} grows by {an_hour:.0f} KiB an hour")
        if last[role] - first[role]:
            bad.append(f"descriptors of the {role}: {dict(last[role])}, at first {dict(first[role])}")
    return bad


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--pause", type=float, default=0.5, help="seconds between an answer and the next request")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--summary", metavar="FILE")
    asked = options.parse_args()
    began = time.monotonic()
    build = list(conditions())[0]  # what was running, whatever is committed meanwhile

    def say(text):
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder, Supervised(folder, "ofi") as server:
        outcomes, prepared, bad, memory, first, last = soak(server, asked.minutes, asked.pause, asked.seed, say)
    lines = [f"command   test/e2e/soak.py --minutes {asked.minutes:g} --pause {asked.pause:g} --seed {asked.seed}",
             build, list(conditions())[1],
             f"took      {time.monotonic() - began:.0f} s, heartbeat {1000 * HEARTBEAT_S:.0f} ms, {CLIENTS} clients, "
             "others that leave or are refused"]
    bad += report(lines, outcomes, prepared, memory, first, last)
    lines += ["found     " + (f"{len(bad)} faults" if bad else "0 wrong answers, 0 hangs, 0 leaks"),
              *("  " + each for each in bad)]
    print("\n".join(lines))
    if asked.summary:
        with open(asked.summary, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
