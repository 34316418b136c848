# SPDX-License-Identifier: Apache-2.0
"""Clients that ask a server without pause and know the right answers.

    questions = Questions(server)                # asked once, of a server that nobody disturbs
    with Load(server, questions, clients=4, seed=7) as load:
        ...                                      # whatever happens to the server
    load.outcomes                                # what became of every request

Answers stream, greedy or drawn with a seed: either way there is one right answer. What a client got before an error or
the end of its connection must be the beginning of it. Python's standard library only.
"""
import collections
import dataclasses
import http.client
import random
import threading
import time

from server import PATIENCE_S, Ended, Refused

HANG_S = 60  # no byte for so long: nobody will ever answer
CHAT = "/v1/chat/completions"
STONE = "The mason looked at the wall, chose the next block and said: the joint is what matters. "


@dataclasses.dataclass(frozen=True)
class Outcome:
    """full, wrong, error (typed: `what` is its code), cut (no [DONE] and no error) or hang"""
    kind: str
    what: str
    began: float
    ended: float


def body_of(k):
    """Short and long prompts, some of whose beginnings are equal; short and long answers; every third one drawn."""
    words = f"Story {k}: {STONE * (1 + k % 4)} What did the mason say? Say it in {k + 3} words."
    return {"messages": [{"role": "user", "content": words if k % 2 else STONE * 2 + words}], "ignore_eos": True,
            "max_tokens": 6 + 7 * k % 20, "temperature": 0.8 if k % 3 == 2 else 0, "seed": 100 + k}


class Questions:
    def __init__(self, server, count=12):
        self.answers = []
        for k in range(count):
            kind, what, text = ask(server, k)
            end = time.monotonic() + PATIENCE_S
            while kind == "error" and time.monotonic() < end:  # an engine was silent: others load the machine
                time.sleep(1)
                kind, what, text = ask(server, k)
            assert kind == "full", f"a server that nobody disturbs: {kind} {what}"
            self.answers.append(text)

    def judge(self, k, kind, what, text):
        """(kind, what) with a wrong answer called by its name."""
        right = self.answers[k]
        if text != right if kind == "full" else not right.startswith(text):
            return "wrong", f"question {k}, {kind} {what}: {text!r} is not {right!r}"
        return kind, what


def ask(server, k):
    """(kind, what, text)"""
    text, reason = "", None
    try:
        for event in server.stream(CHAT, body_of(k), HANG_S):
            for choice in event["choices"]:
                text += choice["delta"].get("content") or ""
                reason = choice["finish_reason"] or reason
    except Refused as why:
        typed = why.error.get("message") and why.error.get("type") and why.error.get("code")
        return ("error", why.error["code"], text) if typed else ("wrong", f"an error without a type: {why}", text)
    except (Ended, OSError, http.client.HTTPException) as why:
        late = isinstance(why.__cause__ or why, TimeoutError)
        return "hang" if late else "cut", repr(why), text
    return ("full", reason, text) if reason == "length" else ("wrong", f"[DONE] after {reason}", text)


class Load:
    def __init__(self, server, questions, clients, seed, pause=0.0):
        self.server, self.questions, self.pause = server, questions, pause
        self.outcomes, self.over = collections.deque(), threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(random.Random(f"{seed} {k}"),))
                        for k in range(clients)]

    def client(self, chance):
        while not self.over.is_set():
            k, began = chance.randrange(len(self.questions.answers)), time.monotonic()
            kind, what = self.questions.judge(k, *ask(self.server, k))
            self.outcomes.append(Outcome(kind, what, began, time.monotonic()))
            # Who is refused at once comes back a little later, as a client would.
            self.over.wait(self.pause if kind == "full" else max(self.pause, 0.1))

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, kind, value, trace):
        self.over.set()
        for each in self.threads:
            each.join(2 * HANG_S)
            assert not each.is_alive(), "a client hangs"
