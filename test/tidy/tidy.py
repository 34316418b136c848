#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py [--compiler CXX] [--rule NAME] ROOT: the style guide, as rules that can fail.

Each rule is a function that yields one sentence a finding; its docstring says what it wants. self_test.py shows that
each of them can fail. Python's standard library only.
"""
import argparse
import ast
import concurrent.futures
import functools
import json
import os
import pathlib
import re
import subprocess
import sys

# Who may see whom: the table of the design. Layers go down only; nobody sees a driver.
SEES = {
    "core": [],
    "plan": ["core"],
    "fabric": ["core"],
    "tile": ["core"],
    "kernel": ["tile", "core"],
    "moe": ["core"],
    "ep": ["fabric", "moe", "plan"],
    "kv": ["fabric"],
    "cp": ["fabric", "kernel", "plan"],
    "model": ["kernel", "moe", "kv", "ep"],
    "sched": ["core", "plan", "kv"],
    "afd": ["fabric", "model", "plan", "ep"],
    "rl": ["core", "fabric", "plan"],
    "agent": ["core"],
}
DRIVERS = {
    "ofi": ["fabric"],
    "cuda": ["fabric", "tile"],
    "sim": list(SEES),
}

# What a public header may include besides ashlar's own. docs/building.md prints this list.
STD_ALLOWED = set(
    "algorithm array atomic bit cmath compare concepts cstddef cstdint cstring initializer_list limits new optional "
    "span string_view tuple type_traits utility variant".split()
)
# Everything else has its few places: pattern of the included name -> patterns of the headers that may include it.
ALLOWED_IN = [
    (r"cstdio", [r"core/assert\.hpp"]),
    (r"immintrin\.h", [r"kernel/simd_\w+\.hpp", r"core/copy_\w+\.hpp", r"core/crc32c\w*\.hpp"]),
    (r"(sys|linux)/\w+\.h|fcntl\.h|unistd\.h|errno\.h|cerrno|poll\.h|time\.h|signal\.h",
     [r"fabric/(window\w*|shared_\w+|process)\.hpp", r"ofi/\w+\.hpp"]),
    (r"rdma/\w+\.h", [r"ofi/\w+\.hpp"]),
]

HEADER_LINES = 500
COLUMNS = 120
FILE_BYTES = 256 * 1024
BUDGET_LINES = 30_000
BUDGET_LINES_INTRINSICS = 80_000

CODE = {".hpp", ".cpp", ".cuh", ".cu", ".py", ".cmake", ".sh"}
BANNED = re.compile(
    r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b|(?i:\bnot" + " implemented)"
    r"|(?<![\w./}-])/(work|root|home)/"  # paths of somebody's machine
)


class Tree:
    def __init__(self, root, compiler="g++"):
        self.root = pathlib.Path(root)
        self.compiler = compiler

    @functools.cached_property
    def files(self):
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if f not in {".git", "build", "__pycache__", ".cache"})
            found += [pathlib.Path(folder, name).relative_to(self.root).as_posix() for name in sorted(names)
                      if name != ".git"]  # a file in a worktree
        return found

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        return self.text(path).split("\n")

    @functools.cached_property
    def headers(self):
        """module -> its public headers, front door first."""
        found = {}
        for path in self.files:
            match = re.fullmatch(r"include/ashlar/(\w+)(?:/[\w/]+)?\.(?:hpp|cuh)", path)
            if match:
                found.setdefault(match[1], []).append(path)
        return {module: sorted(paths, key=lambda p: (p.count("/"), p)) for module, paths in found.items()}

    @functools.cached_property
    def depends(self):
        """module -> its DEPENDS in the table of CMakeLists.txt."""
        table = {}
        for name, rest in re.findall(r"^ashlar_module\((\w+)([^)]*)\)", self.text("CMakeLists.txt"), re.MULTILINE):
            match = re.search(r"DEPENDS((?: [a-z]\w*)+)", rest)
            table[name] = match[1].split() if match else []
        return table

    def closure(self, module, table):
        seen, todo = set(), [module]
        while todo:
            for other in table.get(todo.pop(), []):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    def includes(self, path):
        for number, line in enumerate(self.lines(path), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
            if match:
                yield number, match[1], match[2]

    @property
    def public(self):
        return [path for paths in self.headers.values() for path in paths]

    @functools.cached_property
    def code(self):
        def is_code(path):
            name = path.rsplit("/", 1)[-1]
            return pathlib.Path(path).suffix in CODE or name == "CMakeLists.txt" or (
                "." not in name and self.text(path).startswith("#!"))
        return [path for path in self.files if is_code(path)]


def module_table(tree):
    """CMake's module table allows nothing that the design's table does not."""
    for module, depends in tree.depends.items():
        sees = SEES.get(module, DRIVERS.get(module))
        if sees is None:
            yield f"CMakeLists.txt: module {module} does not stand in the design"
            continue
        for other in depends:
            if other in DRIVERS:
                yield f"CMakeLists.txt: {module} depends on {other}, but drivers are for programs, not for the library"
            elif other not in sees:
                yield f"CMakeLists.txt: {module} depends on {other}, which the design does not let it see"


def packages(tree):
    """Conan's components, their needs and drivers are CMake's module table; vcpkg's version is version.hpp's."""
    recipe, port, version = "conan/conanfile.py", "conan/vcpkg/ashlar/vcpkg.json", "include/ashlar/core/version.hpp"
    for path in (recipe, port, version):
        if path not in tree.files:
            yield f"{path}: missing"
            return
    said = {node.targets[0].id: node.value for node in ast.parse(tree.text(recipe)).body
            if isinstance(node, ast.Assign)}
    modules, drivers = (ast.literal_eval(said[name]) for name in ("MODULES", "DRIVERS"))
    for module in sorted(modules.keys() | tree.depends.keys()):
        if modules.get(module) != tree.depends.get(module):
            yield f"{recipe}: {module} needs {modules.get(module)}; CMakeLists.txt says {tree.depends.get(module)}"
    marked = re.findall(r"^ashlar_module\((\w+)[^)]*\bDRIVER\b", tree.text("CMakeLists.txt"), re.MULTILINE)
    if sorted(drivers) != sorted(marked):
        yield f"{recipe}: drivers are {drivers}; CMakeLists.txt says {marked}"
    number = ".".join(re.findall(r"^#define ASHLAR_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", tree.text(version), re.M))
    if json.loads(tree.text(port))["version"] != number:
        yield f"{port}: the version is not {number}, which stands in {version}"


def include_graph(tree):
    """A header includes only its own module and those that its module depends on in CMake."""
    for module, paths in tree.headers.items():
        if module not in tree.depends:
            yield f"{paths[0]}: module {module} has no ashlar_module() line in CMakeLists.txt"
            continue
        allowed = tree.closure(module, tree.depends) | {module}
        for path in paths:
            for number, _, name in tree.includes(path):
                match = re.match(r"ashlar/(\w+)", name)
                if match and match[1] not in allowed:
                    yield f"{path}:{number}: {module} must not see {match[1]}"


def include_style(tree):
    """Headers are included as <ashlar/...>; a .hpp never includes what needs a CUDA compiler."""
    for path in tree.public:
        for number, bracket, name in tree.includes(path):
            if bracket == '"':
                yield f'{path}:{number}: include <ashlar/...>, not "{name}"'
            if path.endswith(".hpp") and (name.endswith(".cuh") or re.match(r"cuda|cub/|thrust/|cute/|cutlass/", name)):
                yield f"{path}:{number}: a .hpp must not include {name}"


def std_allow_list(tree):
    """A public header includes only light standard headers; what an OS or a vendor gives has its few places."""
    for path in (p for p in tree.public if p.endswith(".hpp")):
        for number, bracket, name in tree.includes(path):
            if bracket == '"' or name.startswith("ashlar/") or name in STD_ALLOWED:
                continue
            short = path.removeprefix("include/ashlar/")
            places = [place for pattern, where in ALLOWED_IN if re.fullmatch(pattern, name) for place in where]
            if not any(re.fullmatch(place, short) for place in places):
                yield f"{path}:{number}: <{name}> is not on the list of headers allowed here"


def std_list_in_docs(tree):
    """docs/building.md prints the very list that std_allow_list enforces."""
    page = "docs/building.md"
    if page not in tree.files:
        yield f"{page}: missing"
        return
    section = tree.text(page).partition("## What a public header may include")[2].partition("\n\n`")[2]
    printed = set(re.findall(r"`?(\w+)`", section.partition("\n\n")[0]))
    for name in sorted(printed ^ STD_ALLOWED):
        yield f"{page}: {name} is {'printed but not allowed' if name in printed else 'allowed but not printed'}"


def header_shape(tree):
    """A header opens with SPDX, prose, #pragma once; it has no `using namespace` and no macro but ASHLAR_*."""
    for path in tree.public:
        lines = tree.lines(path)
        if "#pragma once" not in lines:
            yield f"{path}: no #pragma once"
        elif not 2 <= lines.index("#pragma once") or not lines[1].startswith("//"):
            yield f"{path}: needs some lines of prose between the SPDX line and #pragma once: what, why, one use"
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*using namespace\b", line):
                yield f"{path}:{number}: no `using namespace` in a header"
            match = re.match(r"\s*#\s*define\s+(\w+)", line)
            if match and not match[1].startswith("ASHLAR_"):
                yield f"{path}:{number}: macro {match[1]} does not begin with ASHLAR_"
            if re.search(r"(?<![\w.])assert\(|\bthrow\b(?!\()|std::function\b", line.split("//")[0]):
                yield f"{path}:{number}: no assert(), throw or std::function in a header"


def sizes(tree):
    """A header is a page: 500 lines are the cap. No line of code or prose in code has more than 120 columns."""
    for path in tree.public:
        count = len(tree.lines(path)) - 1
        if count > HEADER_LINES:
            yield f"{path}: {count} lines; the cap is {HEADER_LINES}"
    for path in tree.code:
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > COLUMNS and "http" not in line:
                yield f"{path}:{number}: {len(line)} columns; the cap is {COLUMNS}"


def one_test_a_header(tree):
    """include/ashlar/kv/pool.hpp has test/kv/pool.cpp, which includes it; a family x_*.hpp may share test/kv/x.cpp."""
    for module, paths in tree.headers.items():
        for path in paths:
            stem = pathlib.Path(path).stem
            if path.count("/") < 3:
                continue  # a front door only includes
            names, words = [], stem.split("_")
            while words:
                names.append("_".join(words))
                words.pop()
            tests = [f"test/{module}/{name}.{kind}" for name in names for kind in ("cpp", "cu")]
            header = path.removeprefix("include/")
            found = [test for test in tests if test in tree.files]
            if not found:
                yield f"{path}: no test; write {tests[0]}"
            elif not any(header in (name for _, _, name in tree.includes(test)) for test in found):
                yield f"{found[0]}: does not include <{header}>, which it is there to test"


def one_page_a_module(tree):
    """docs/<module>.md exists and names every header of the module."""
    for module, paths in tree.headers.items():
        page = f"docs/{module}.md"
        if page not in tree.files:
            yield f"{page}: missing; module {module} has no page"
            continue
        for path in paths:
            name = path.removeprefix(f"include/ashlar/{module}/").removeprefix("include/ashlar/")
            if not re.search(r"(?<![\w])" + re.escape(name), tree.text(page)):
                yield f"{page}: does not name {name}"


def front_doors(tree):
    """include/ashlar/<module>.hpp exists and leads to every header of its folder."""
    for module, paths in tree.headers.items():
        door = f"include/ashlar/{module}.hpp"
        if door not in paths:
            yield f"{door}: missing"
            continue
        reached, todo = set(), [door]
        while todo:
            for _, _, name in tree.includes(todo.pop()):
                path = f"include/{name}"
                if path in paths and path not in reached:
                    reached.add(path)
                    todo.append(path)
        for path in paths:
            if path != door and path.endswith(".hpp") and path not in reached:
                yield f"{door}: does not lead to {path}"


def licence_lines(tree):
    """Every source file says Apache-2.0 in its first line, or in its second after #!."""
    for path in tree.code:
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in tree.lines(path)[:2]):
            yield f"{path}: no SPDX line"


def file_sizes(tree):
    """Nothing above 256 kB, except golden data."""
    for path in tree.files:
        size = (tree.root / path).stat().st_size
        if size > FILE_BYTES and not path.startswith("test/golden/"):
            yield f"{path}: {size} bytes; the cap is {FILE_BYTES} outside test/golden"


def banned_words(tree):
    """No notes to oneself, nothing half done, no path of somebody's machine."""
    for path in tree.files:
        if path.startswith("test/golden/") or "/corpus/" in path or path.startswith("test/tidy/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = BANNED.search(line)
            if match:
                yield f"{path}:{number}: {match[0]!r}"


def test_names(tree):
    """A test's name is a sentence."""
    for path in tree.files:
        if path.startswith("test/") and path.endswith(".cpp"):
            for number, line in enumerate(tree.lines(path), 1):
                match = re.match(r'\s*TEST_CASE(?:_TEMPLATE)?\("([^"]*)"', line)
                if match and match[1].count(" ") < 2:
                    yield f"{path}:{number}: {match[1]!r} is no sentence"


def preprocessed_size(tree):
    """A public header is light: at most 30,000 lines of `g++ -E -P`; 80,000 if it reaches the compiler's intrinsics."""
    def measure(path):
        command = [tree.compiler, "-std=c++20", "-E", "-P", "-H", "-I", str(tree.root / "include"), "-x", "c++",
                   str(tree.root / path)]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if run.returncode:
            last = [line for line in run.stderr.splitlines() if "error" in line] or ["the compiler fails"]
            return f"{path}: {last[0]}"
        count = run.stdout.count("\n")
        cap = BUDGET_LINES_INTRINSICS if "/immintrin.h" in run.stderr else BUDGET_LINES
        return f"{path}: {count} preprocessed lines; the cap is {cap}" if count > cap else None

    paths = [path for path in tree.public if path.endswith(".hpp")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(measure, paths))


RULES = [module_table, packages, include_graph, include_style, std_allow_list, std_list_in_docs, header_shape, sizes,
         one_test_a_header, one_page_a_module, front_doors, licence_lines, file_sizes, banned_words, test_names,
         preprocessed_size]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--rule", choices=[rule.__name__ for rule in RULES], help="only this one")
    options = parser.parse_args()
    tree = Tree(options.root, options.compiler)
    failed = 0
    for rule in RULES:
        if options.rule in (None, rule.__name__):
            findings = list(rule(tree))
            failed += len(findings)
            print(f"{rule.__name__}: {len(findings) or 'fine'}")
            for finding in findings:
                print(f"  {finding}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
