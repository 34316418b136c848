# SPDX-License-Identifier: Apache-2.0
"""What test/clients/run runs: lm-eval's two local tasks through `local-completions`, whose tokenizer is the server's
own, and a short sweep of guidellm. Nothing is fetched from a hub."""
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent / "e2e"))
from server import Server  # noqa: E402

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
PROGRAMS = pathlib.Path(sys.executable).parent


def run(folder, *command):
    environment = {**os.environ, **OFFLINE, "HF_HOME": str(folder / "hub"), "OPENAI_API_KEY": "none"}
    done = subprocess.run([PROGRAMS / command[0], *command[1:]], cwd=folder, env=environment, text=True,
                          capture_output=True, timeout=900)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def lm_eval(server, model, folder):
    tasks = folder / "tasks"
    tasks.mkdir()
    for each in (here / "tasks").iterdir():
        (tasks / each.name).write_text(each.read_text().replace("FOLDER", str(here / "tasks")))
    run(folder, "lm_eval", "--model", "local-completions", "--tasks", "ashlar_choice,ashlar_recall",
        "--include_path", tasks, "--output_path", folder / "scores", "--model_args",
        f"model={model},base_url={server.url}/v1/completions,num_concurrent=4,max_retries=1,max_length=2048")
    report, = (folder / "scores").rglob("results_*.json")
    scores = json.loads(report.read_text())["results"]
    choice, recall = scores["ashlar_choice"]["acc,none"], scores["ashlar_recall"]["exact_match,stripped"]
    held = choice >= 0.75 and recall >= 0.75
    return held, f"lm-eval={version('lm-eval')} choice.acc={choice:.2f} recall.exact_match={recall:.2f}"


def guidellm(server, model, folder):
    data = folder / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"Story {i}: the mason chose the next block and said",
                                        "output_tokens_count": 8}) + "\n" for i in range(64)))
    run(folder, "guidellm", "run", "--backend", f"kind=openai_http,target={server.url},model={model}", "--profile",
        "kind=sweep,sweep_size=3", "--constraint", "kind=max_duration,seconds=8", "--data",
        f"kind=json_file,path={data}", "--output", f"kind=json,path={folder / 'sweep.json'}", "--disable-console")
    benchmarks = json.loads((folder / "sweep.json").read_text())["benchmarks"]
    totals = [each["metrics"]["request_totals"] for each in benchmarks]
    good = [each["successful"] for each in totals]
    held = len(benchmarks) == 3 and min(good) > 0 and not any(each["errored"] for each in totals)
    return held, (f"guidellm={version('guidellm')} strategies={len(benchmarks)} requests={sum(good)} "
                  f"errored={sum(each['errored'] for each in totals)}")


version = importlib.metadata.version
lines, all_held = [], True
with Server("--pool-mib", "128") as one, tempfile.TemporaryDirectory() as place:
    name = json.loads(one.get("/v1/models")[1])["data"][0]["id"]
    for client in (lm_eval, guidellm):
        own = pathlib.Path(place) / client.__name__
        own.mkdir()
        ok, line = client(one, name, own)
        lines.append(f"{line} {'pass' if ok else 'FAIL'}")
        print(lines[-1], flush=True)
        all_held = all_held and ok
    one.wait_all_free()
if len(sys.argv) > 1:
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines) + "\n")
sys.exit(0 if all_held else 1)
