#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py [--write] ROOT: the pages say what the programs say.

A C++ block of README.md, docs/*.md that stands behind a line

    <!-- code: examples/tutorial/02_paged_pool.cpp open -->

is what stands between the two lines `//! [open]` of that program, which is built and run as a test; --write puts it
there. README.md and docs/tutorial.md may hold no other C++ block. Links to files of the repository lead somewhere, and
every ADR stands in docs/index.md.
"""
import pathlib
import re
import sys
import textwrap

BLOCK = re.compile(r"(<!-- code: (\S+) (\S+) -->\n+```cpp\n)(.*?)(```\n)", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def excerpt(root, path, name):
    parts = re.split(r"^[ \t]*//! \[" + re.escape(name) + r"\]\n", (root / path).read_text(encoding="utf-8"),
                     flags=re.MULTILINE)
    if len(parts) != 3:
        raise LookupError(f"{path} does not have two lines `//! [{name}]`")
    return textwrap.dedent(parts[1])


def main():
    write = "--write" in sys.argv
    root = pathlib.Path(sys.argv[-1])
    findings, blocks = [], 0
    for page in [root / "README.md", *sorted(root.glob("docs/**/*.md")), *sorted(root.glob("examples/*/README.md"))]:
        text, where = page.read_text(encoding="utf-8"), page.relative_to(root).as_posix()

        def renew(match):
            nonlocal blocks
            blocks += 1
            try:
                right = excerpt(root, match[2], match[3])
            except (LookupError, OSError) as why:
                findings.append(f"{where}: {why}")
                return match[0]
            if match[4] != right and not write:
                findings.append(f"{where}: the block {match[2]} {match[3]} is not what the program says; run --write")
            return match[1] + right + match[5]
        new = BLOCK.sub(renew, text)
        if write and new != text:
            page.write_text(new, encoding="utf-8")
        if where in ("README.md", "docs/tutorial.md") and len(re.findall(r"^```cpp", text, re.MULTILINE)) != len(
                BLOCK.findall(text)):
            findings.append(f"{where}: a C++ block comes from no program")
        for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                findings.append(f"{where}: the link to {target} leads nowhere")
    index = (root / "docs/index.md").read_text(encoding="utf-8")
    for page in sorted(root.glob("docs/**/*.md")):
        if page.name != "index.md" and page.relative_to(root / "docs").as_posix() not in index:
            findings.append(f"docs/index.md: does not lead to {page.relative_to(root / 'docs').as_posix()}")
    for program in sorted(root.glob("examples/tutorial/[0-9]*.cpp")):
        if program.name not in (root / "docs/tutorial.md").read_text(encoding="utf-8"):
            findings.append(f"docs/tutorial.md: does not name {program.name}")
    print("\n".join(findings) or f"{blocks} blocks are what their programs say, every link leads somewhere")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
