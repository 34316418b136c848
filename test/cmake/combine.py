#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""combine.py FOLDER PRESET...: writes FOLDER/CTestTestfile.cmake with the tests of several presets, for one ctest run.

A preset's tests are those that its test preset selects, as `<preset>/<test>`; each preset starts with `<preset>/build`,
and its other tests are not run when that fails. Run it from the source folder.
"""
import json
import pathlib
import subprocess
import sys


def quoted(value):
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    if isinstance(value, list):
        value = ";".join(str(item) for item in value)
    return f"[==[{value}]==]"


def properties(preset, test):
    prefixed = {"DEPENDS", "FIXTURES_REQUIRED", "FIXTURES_SETUP", "FIXTURES_CLEANUP"}
    found = {p["name"]: p["value"] for p in test.get("properties", [])}
    for name in prefixed & found.keys():
        found[name] = [f"{preset}/{item}" for item in found[name]]
    found.setdefault("FIXTURES_REQUIRED", []).append(f"{preset}/built")
    # What a property holds as an object (regular expressions with their source line) is not worth carrying over twice.
    return {name: value for name, value in found.items() if not isinstance(value, dict)}


folder = pathlib.Path(sys.argv[1])
lines = ["# Made by test/cmake/combine.py"]


def add(name, command, props):
    lines.append(f"add_test({quoted(name)} {' '.join(map(quoted, command))})")
    if props:
        pairs = " ".join(f"{key} {quoted(value)}" for key, value in props.items())
        lines.append(f"set_tests_properties({quoted(name)} PROPERTIES {pairs})")


for preset in sys.argv[2:]:
    add(f"{preset}/build", ["cmake", "--build", "--preset", preset],
        {"FIXTURES_SETUP": f"{preset}/built", "WORKING_DIRECTORY": pathlib.Path.cwd(), "TIMEOUT": 1500,
         "RUN_SERIAL": True})
    if preset == "clang16":
        continue  # compile only: its build is its test
    shown = subprocess.run(["ctest", "--preset", preset, "--show-only=json-v1"], text=True, capture_output=True)
    if shown.returncode:
        add(f"{preset}/configure", ["cmake", "-E", "false"], {})  # its build folder is not there: fail, and say where
        print(shown.stderr, file=sys.stderr)
        continue
    for test in json.loads(shown.stdout)["tests"]:
        # A program that was not built has no command in ctest's eyes: it fails together with the build.
        add(f"{preset}/{test['name']}", test.get("command", ["cmake", "-E", "false"]), properties(preset, test))

folder.mkdir(parents=True, exist_ok=True)
(folder / "CTestTestfile.cmake").write_text("\n".join(lines) + "\n", encoding="utf-8")
