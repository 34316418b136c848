#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of tidy.py is content with a small good tree and finds what is spoiled in it."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import tidy  # noqa: E402

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
GOOD = {
    "CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\nashlar_module(core)\nashlar_module(fabric DEPENDS core)\n"
                      "ashlar_module(kv DEPENDS fabric)\nashlar_module(ofi DEPENDS fabric LINK x::y DRIVER)\n",
    "include/ashlar/core.hpp": SPDX + "// The words.\n#pragma once\n\n#include <ashlar/core/ids.hpp>\n"
                               "#include <ashlar/core/version.hpp>\n",
    "include/ashlar/core/ids.hpp": SPDX + "// Ids.\n#pragma once\n\n#include <cstdint>\n",
    "conan/conanfile.py": "# SPDX-License-Identifier: Apache-2.0\n"
                          "MODULES = {'core': [], 'fabric': ['core'], 'kv': ['fabric'], 'ofi': ['fabric']}\n"
                          "DRIVERS = ['ofi']\n",
    "conan/vcpkg/ashlar/vcpkg.json": '{"version": "1.2.3"}',
    "include/ashlar/core/version.hpp": SPDX + "// The version.\n#pragma once\n\n#define ASHLAR_VERSION_MAJOR 1\n"
                                       "#define ASHLAR_VERSION_MINOR 2\n#define ASHLAR_VERSION_PATCH 3\n",
    "test/core/version.cpp": SPDX + '#include <ashlar/core/version.hpp>\nTEST_CASE("the version is ours") {}\n',
    "include/ashlar/kv.hpp": SPDX + "// Pages.\n#pragma once\n\n#include <ashlar/kv/pool.hpp>\n",
    "include/ashlar/kv/pool.hpp": SPDX + "// A pool.\n#pragma once\n\n#include <ashlar/core/ids.hpp>\n",
    "test/core/ids.cpp": SPDX + '#include <ashlar/core/ids.hpp>\nTEST_CASE("ids do not mix") {}\n',
    "test/kv/pool.cpp": SPDX + '#include <ashlar/kv/pool.hpp>\nTEST_CASE("a page freed twice is refused") {}\n',
    "docs/core.md": "`core.hpp`, `ids.hpp`, `version.hpp`",
    "docs/kv.md": "`kv.hpp`, `pool.hpp`",
    "docs/building.md": "## What a public header may include\n\nOnly:\n\n"
                        + " ".join(f"`{name}`" for name in sorted(tidy.STD_ALLOWED)) + "\n\n`other` things\n",
}
IDS, POOL = "include/ashlar/core/ids.hpp", "include/ashlar/kv/pool.hpp"


def add(path, text):
    return {path: GOOD.get(path, "") + text}


SPOILED = {
    "module_table": [add("CMakeLists.txt", "ashlar_module(mortar)\n"),
                     {"CMakeLists.txt": GOOD["CMakeLists.txt"].replace("kv DEPENDS fabric", "kv DEPENDS ofi")},
                     {"CMakeLists.txt": GOOD["CMakeLists.txt"].replace("fabric DEPENDS core", "fabric DEPENDS kv")}],
    "packages": [{"conan/conanfile.py": None},
                 {"conan/conanfile.py": GOOD["conan/conanfile.py"].replace("'kv': ['fabric'], ", "")},
                 {"conan/conanfile.py": GOOD["conan/conanfile.py"].replace("'kv': ['fabric']", "'kv': ['core']")},
                 {"conan/conanfile.py": GOOD["conan/conanfile.py"].replace("DRIVERS = ['ofi']", "DRIVERS = []")},
                 {"conan/vcpkg/ashlar/vcpkg.json": '{"version": "1.2.4"}'}],
    "include_graph": [add(IDS, "#include <ashlar/kv/pool.hpp>\n"), add("include/ashlar/moe/gate.hpp", SPDX)],
    "include_style": [add(POOL, '#include "other.hpp"\n'), add(POOL, "#include <ashlar/kv/copy.cuh>\n"),
                      add(POOL, "#include <cuda_runtime.h>\n")],
    "std_allow_list": [add(POOL, "#include <vector>\n"), add(POOL, "#include <immintrin.h>\n"),
                       add(POOL, "#include <sys/mman.h>\n"), add(POOL, "  #  include <chrono>\n")],
    "std_list_in_docs": [{"docs/building.md": None},
                         {"docs/building.md": GOOD["docs/building.md"].replace("`span` ", "")},
                         {"docs/building.md": GOOD["docs/building.md"].replace("`span`", "`span` `regex`")}],
    "header_shape": [{IDS: SPDX + "// Ids.\n"}, {IDS: SPDX + "#pragma once\n"}, add(IDS, "using namespace std;\n"),
                     add(IDS, "#define SHOUT\n"), add(IDS, "assert(true);\n"), add(IDS, "throw error;\n")],
    "sizes": [add(IDS, "\n" * 500), add("test/core/ids.cpp", "// " + "x" * 120 + "\n")],
    "one_test_a_header": [{"test/kv/pool.cpp": None},
                          {"test/kv/pool.cpp": GOOD["test/kv/pool.cpp"].replace("kv/pool", "core/ids")}],
    "one_page_a_module": [{"docs/kv.md": None}, {"docs/kv.md": "`kv.hpp`"}],
    "front_doors": [{"include/ashlar/kv.hpp": None},
                    {"include/ashlar/kv.hpp": SPDX + "// Pages.\n#pragma once\n"}],
    "licence_lines": [{"test/core/ids.cpp": "#include <ashlar/core/ids.hpp>\n"}, {"run": "#!/bin/bash\ntrue\n"}],
    "file_sizes": [{"data.bin": "x" * (256 * 1024 + 1)}],
    "banned_words": [add(IDS, "// TO" "DO: later\n"), {"README.md": "Not " "implemented yet"},
                     {"run.txt": "cd /ro" "ot/build"}],
    "test_names": [add("test/core/ids.cpp", 'TEST_CASE("ids") {}\n')],
    "preprocessed_size": [add(IDS, "int x;\n" * 30_001), add(IDS, "#include <there_is_no_such_header>\n")],
}


def findings(files, rule):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            if text is not None:
                target = pathlib.Path(root, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
        return list(rule(tidy.Tree(root)))


wrong = 0
for rule in tidy.RULES:
    complaints = [f"complains about a good tree: {finding}" for finding in findings(GOOD, rule)]
    cases = SPOILED.get(rule.__name__, [])
    if not cases:
        complaints.append("nothing shows that it can fail")
    for number, case in enumerate(cases):
        if not findings({**GOOD, **case}, rule):
            complaints.append(f"does not see case {number}: {list(case)}")
    wrong += len(complaints)
    print(f"{rule.__name__}: {len(cases)} spoiled trees, {'fine' if not complaints else complaints}")
sys.exit(1 if wrong else 0)
