# SPDX-License-Identifier: Apache-2.0
"""What the tests of the packed programs share. ASHLAR_MODEL names the model, as everywhere."""
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "test/e2e"))
if "ASHLAR_MODEL" not in os.environ:
    os.environ["ASHLAR_MODEL"] = subprocess.check_output([SOURCE / "examples/support/fetch_model"], text=True).strip()


def must(*command, **more):
    run = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False, **more)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{run.stdout[-4000:]}")
    return run.stdout


def ask(program, *arguments):
    """One answer from the server that `program` is, which gets the arguments too."""
    os.environ["ASHLAR_SERVE"] = str(program)
    from server import Server  # pylint: disable=import-outside-toplevel
    with Server("--fabric", "ofi", *arguments) as server:
        answer = server.chat("What is the capital of France?", max_tokens=24)
    text = answer["choices"][0]["message"]["content"]
    assert "Paris" in text, text
    print(f"{program}: {text!r}", flush=True)
