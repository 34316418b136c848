#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ask.py URL QUESTION: streams a chat answer to the terminal as it comes, then tells what it took.

Times are the client's own; bytes and blocks are the difference of the server's /metrics before and after.
Python's standard library only.
"""
import argparse
import http.client
import json
import re
import sys
import time
import urllib.parse


class Server:
    def __init__(self, url, key=None):
        self.url = url.rstrip("/")
        self.at = urllib.parse.urlsplit(self.url)
        self.headers = {"Content-Type": "application/json"}
        if key:
            self.headers["Authorization"] = "Bearer " + key

    def open(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=600)
        connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        return connection.getresponse()

    def metrics(self):
        """name -> sum over all labels."""
        found = {}
        for line in self.open("GET", "/metrics").read().decode().splitlines():
            match = re.match(r"([a-zA-Z_:][\w:]*)(?:\{.*\})? ([-+.\deEnafI]+)$", line)
            if match:
                found[match[1]] = found.get(match[1], 0.0) + float(match[2])
        return found

    def model(self):
        return json.load(self.open("GET", "/v1/models"))["data"][0]["id"]

    def stream(self, body):
        """Yields the decoded events of a streamed answer; an error of the server ends the program with its words."""
        answer = self.open("POST", "/v1/chat/completions", body)
        if answer.status != 200:
            sys.exit("\n%d: %s" % (answer.status, json.load(answer)["error"]["message"]))
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                return
            event = json.loads(line[6:])
            if "error" in event:
                sys.exit("\n" + event["error"]["message"])
            yield event
        sys.exit("\nthe answer was cut off")


def human(size):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return "%.*f %s" % (0 if unit == "B" else 1, size, unit)
        size /= 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("question")
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--api-key")
    parser.add_argument("--engines", metavar="LOG", help="the server's log, which names the engines and their fabric")
    options = parser.parse_args()
    server = Server(options.url, options.api_key)
    model = server.model()
    before = server.metrics()
    body = {"model": model, "messages": [{"role": "user", "content": options.question}], "temperature": 0,
            "max_tokens": options.max_tokens, "stream": True, "stream_options": {"include_usage": True}}

    began, times, usage = time.monotonic(), [], {}
    for event in server.stream(body):
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            text = choice["delta"].get("content") or ""
            if text or choice["finish_reason"] is None:
                times.append(time.monotonic())
            print(text, end="", flush=True)
    ended = time.monotonic()
    print("\n")

    # The engines report what they moved with their heartbeats: give the last one time to come.
    moved, blocks = 0, 0
    for _ in range(20):
        after = server.metrics()
        grown = {name: after.get(name, 0) - before.get(name, 0) for name in after}
        moved, blocks = grown.get("ashlar_kv_bytes_received_total", 0), grown.get("ashlar_kv_blocks_received_total", 0)
        if moved:
            break
        time.sleep(0.1)

    count = usage.get("completion_tokens", len(times))
    print("what happened")
    print("  prompt    %d tokens, of which %d were in the prefix cache" % (
        usage.get("prompt_tokens", 0), usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)))
    if times:
        print("  TTFT      %.0f ms until the first token" % (1e3 * (times[0] - began)))
    if count > 1 and len(times) > 1:
        per_token = (times[-1] - times[0]) / (len(times) - 1)
        print("  TPOT      %.1f ms for each token after it" % (1e3 * per_token))
        print("  answer    %d tokens in %.2f s: %.1f tokens/s" % (count, ended - began, count / (ended - began)))
    if moved:
        print("  moved     %s of KV cache in %d blocks of one layer, prefill process to decode process" % (
            human(moved), blocks))
        exposed = grown.get("ashlar_kv_transfer_exposed_seconds_sum", 0)
        print("            the last of it %.1f ms after the first token; the rest hid behind prefill" % (1e3 * exposed))
    if options.engines:
        with open(options.engines, encoding="utf-8", errors="replace") as log:
            fabrics = sorted(set(re.findall(r"is up: .* blocks of .* tokens, (\S+)", log.read())))
        if fabrics:
            print("  over      %s" % ", ".join(fabrics))
    print("\ntry next (--keep leaves the server running)\n")
    print("  curl -N %s/v1/chat/completions -H 'Content-Type: application/json' \\" % server.url)
    next_one = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Tell me about granite."}]}
    print("    -d '%s'" % json.dumps(next_one))


if __name__ == "__main__":
    main()
