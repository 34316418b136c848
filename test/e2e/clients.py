#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An evaluation harness and a load generator from PyPI, as they are, against a server with prefill and decode apart:
lm-eval's two local tasks through `local-completions`, whose tokenizer is the server's own, and a short sweep of
guidellm. Nothing is fetched from a hub."""
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

os.environ.setdefault("ASHLAR_HEARTBEAT_MS", "1000")  # the clients are larger than the server, and share its processors
from server import Server  # noqa: E402

TASKS = pathlib.Path(__file__).resolve().with_name("clients_tasks")
PROGRAMS = pathlib.Path(sys.executable).parent
# Each of guidellm's workers takes seconds of processor time to start, and would have ten of them.
QUIET = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OPENAI_API_KEY": "none",
         "GUIDELLM__MAX_WORKER_PROCESSES": "1"}
STAGES, REQUESTS = 3, 8  # of each stage


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "128")
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        cls.model = json.loads(cls.server.get("/v1/models")[1])["data"][0]["id"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_client(self, program, *arguments):
        environment = {**os.environ, **QUIET, "HF_HOME": str(self.folder / "hub")}
        done = subprocess.run([PROGRAMS / program, *arguments], cwd=self.folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])

    def answered(self):
        return sum(value for (name, _), value in self.server.metrics().items() if name == "vllm:request_success_total")

    def test_lm_eval_scores_two_tasks(self):
        tasks = self.folder / "tasks"
        tasks.mkdir()
        for each in TASKS.glob("*.yaml"):
            (tasks / each.name).write_text(each.read_text().replace("FOLDER", str(TASKS)))
        self.run_client("lm_eval", "--model", "local-completions", "--tasks", "ashlar_choice,ashlar_recall",
                        "--include_path", tasks, "--output_path", self.folder / "scores", "--model_args",
                        f"model={self.model},base_url={self.server.url}/v1/completions,num_concurrent=4,"
                        "max_retries=1,max_length=2048")
        report, = (self.folder / "scores").rglob("results_*.json")
        scores = json.loads(report.read_text())["results"]
        choice, recall = scores["ashlar_choice"]["acc,none"], scores["ashlar_recall"]["exact_match,stripped"]
        print(f"lm-eval {importlib.metadata.version('lm-eval')}: choice {choice:.2f}, recall {recall:.2f}", flush=True)
        self.assertGreaterEqual(choice, 0.75)  # by chance: 0.5, and 0
        self.assertGreaterEqual(recall, 0.6)
        self.server.wait_all_free()

    def test_guidellm_sweeps(self):
        before = self.answered()
        data = self.folder / "prompts.jsonl"
        data.write_text("".join(json.dumps({"prompt": f"Story {i}: the mason chose the next block and said",
                                            "output_tokens_count": 8}) + "\n" for i in range(64)))
        self.run_client("guidellm", "run", "--backend", f"kind=openai_http,target={self.server.url},model={self.model}",
                        "--profile", f"kind=sweep,sweep_size={STAGES}", "--constraint",
                        f"kind=max_requests,count={REQUESTS}", "--data", f"kind=json_file,path={data}", "--output",
                        f"kind=json,path={self.folder / 'sweep.json'}", "--disable-console")
        benchmarks = json.loads((self.folder / "sweep.json").read_text())["benchmarks"]
        totals = [each["metrics"]["request_totals"] for each in benchmarks]
        print(f"guidellm {importlib.metadata.version('guidellm')}: {len(totals)} stages, "
              f"{[each['successful'] for each in totals]} requests", flush=True)
        self.assertEqual(len(totals), STAGES)
        for each in totals:
            self.assertEqual((each["errored"], each["incomplete"]), (0, 0))
            # On a busy machine its figures leave out a request at the edge of a stage.
            self.assertGreaterEqual(each["successful"], REQUESTS // 2)
        self.assertGreaterEqual(self.answered() - before, STAGES * REQUESTS)
        self.server.wait_all_free()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
