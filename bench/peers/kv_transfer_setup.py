#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kv_transfer_setup.py: fetches and builds the peers of the figure kv.transfer into build/peers, what is not there yet.

    UCX 1.13.1             Debian's libucx0 and libucx-dev, unpacked and not installed
    UCX 1.22, NIXL 1.5.1,  wheels from PyPI in a virtual environment, without their dependencies on CUDA and PyTorch:
    Mooncake 0.3.13        DRAM on one host needs neither
    libfabric 1.17, 2.5.1  Debian's, and the one of test/run in build/libfabric-2.5.1; one program for both

A peer that cannot be had here is named with its error; the others go on.
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TO = ROOT / "build/peers"
UCX = TO / "ucx-1.13.1"
WHEELS = ("libucx-cu12==1.22.0", "nixl-cu12==1.5.1", "mooncake-transfer-engine-non-cuda==0.3.13.post1")


def run(*command, quiet=False, **named):
    words = [str(word) for word in command]
    if not quiet:
        print("kv_transfer_setup:", " ".join(words), file=sys.stderr, flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **named)
    if done.returncode and not quiet:
        print("\n".join((done.stdout + done.stderr).splitlines()[-8:]), file=sys.stderr)
    return done.returncode == 0


def compile_(name, *more):
    """Again when a source is newer."""
    to, sources = TO / name, [ROOT / f"bench/peers/{name}.cpp", ROOT / "bench/kv_board.hpp"]
    if to.exists() and all(source.stat().st_mtime <= to.stat().st_mtime for source in sources):
        return True
    return run("g++", "-std=c++17", "-O2", "-o", to, sources[0], *more)


def main():
    TO.mkdir(parents=True, exist_ok=True)
    libraries = UCX / "usr/lib/x86_64-linux-gnu"
    if not libraries.exists() and run("apt-get", "download", "libucx0", "libucx-dev", cwd=TO):
        for package in TO.glob("libucx*.deb"):
            run("dpkg-deb", "-x", package, UCX)
    if libraries.exists():
        compile_("kv_transfer_ucx", f"-I{UCX / 'usr/include'}", f"-L{libraries}", "-lucp", "-lucs",
                 f"-Wl,-rpath-link,{libraries}")
    compile_("kv_transfer_ofi", "-lfabric")
    python = TO / "venv/bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", TO / "venv")
    for package in ("numpy", *WHEELS):
        name = package.split("==")[0]
        if not run(python, "-c", f"from importlib.metadata import version; version('{name}')", quiet=True):
            run(python, "-m", "pip", "install", "-q", "--no-deps", package)
    if not (ROOT / "build/libfabric-2.5.1/libfabric.so.1").exists():
        print("kv_transfer_setup: no libfabric 2.5.1 in build/: test/run puts it there", file=sys.stderr)


if __name__ == "__main__":
    main()
