#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""empty_root.py PACKS CACHE: what cpack packed is all that is needed by a machine which has nothing but this
distribution's essential packages. apt-get brings the .deb in with what its Depends say and no more; then it is purged,
and the .tar.gz comes in its place. Of each every program says how it is used, and the server answers a question.

The root is made once by mmdebstrap, from the sources that apt has on this machine, kept in CACHE as a .tar and unpacked
into memory. Only apt uses the network, this machine's apt, which knows how. Everything is in mount and process
namespaces of its own, so that nothing is left, whatever happens. Needs root: for others it says so and ends with 77."""
import glob
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

from packs import ask, must

QUIET = ("-q", "-y", "--no-install-recommends")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def namespaces(root):
    """The words that run a command in namespaces of its own; None where there are none. Some chroots have no `private`;
    whether what is mounted stays inside all the same is looked at."""
    for propagation in ("private", "unchanged"):
        words = ("unshare", "--mount", "--propagation", propagation, "--pid", "--fork", "--kill-child", "--mount-proc")
        probe = subprocess.run([*words, "mount", "-t", "tmpfs", "probe", root], stderr=subprocess.PIPE, check=False)
        if probe.returncode == 0:
            if not os.path.ismount(root):
                return words
            must("umount", root)
    return None


def sources():
    """The files in which this machine's apt has its sources, as far as they name any."""
    files = ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list"),
             *glob.glob("/etc/apt/sources.list.d/*.sources")]
    texts = {path: pathlib.Path(path).read_text(encoding="utf-8") for path in files if os.path.exists(path)}
    return {path: text for path, text in texts.items()
            if any(line.startswith(("deb ", "Types: deb")) for line in text.splitlines())}


def bare_root(cache, scratch):
    """A .tar of the essential packages alone, with the lists of what there is; made anew when the sources change."""
    with open("/etc/os-release", encoding="utf-8") as release:
        about = dict(line.rstrip().split("=", 1) for line in release if "=" in line)
    state = hashlib.sha256(repr(sorted(sources().items())).encode()).hexdigest()[:8]
    made = cache / f"{about['VERSION_CODENAME']}-{state}.tar"
    if not made.exists():
        for old in cache.glob("*.tar"):
            old.unlink()
        print("making an empty root ...", flush=True)
        new = cache / "new.tar"
        must("mmdebstrap", "--variant=essential", "--skip=cleanup/apt", "--dpkgopt=force-unsafe-io",
             about["VERSION_CODENAME"], new, *sources(), env={**os.environ, "TMPDIR": str(scratch)})
        new.rename(made)
    return made


def in_namespaces(packs, cache):
    (deb,), (tar,) = packs.glob("*.deb"), packs.glob("*.tar.gz")
    root = cache / "root"
    must("mount", "-t", "tmpfs", "-o", "mode=755", "root", root)
    must("tar", "-xf", cached := bare_root(cache, root), "-C", root, "--exclude=./dev/*")
    print(f"{cached.name}: {len(installed(root))} packages", flush=True)
    for mounted, where in ((cache / "debs", "var/cache/apt/archives"), ("/dev", "dev"),
                           (os.environ["ASHLAR_MODEL"], os.environ["ASHLAR_MODEL"][1:])):
        at = root / where
        at.parent.mkdir(parents=True, exist_ok=True)
        at.mkdir(exist_ok=True) if os.path.isdir(mounted) else at.touch()
        must("mount", "--rbind", mounted, at)
    must("mount", "-t", "proc", "proc", root / "proc")

    # This machine's apt and its settings, upon that root's packages; none of its hooks, which are not there.
    settings = root / "tmp/apt.conf"
    settings.write_text("".join(f"#clear {hooks};\n" for hooks in (
        "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke",
        "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs")) +
        f'Dir "{root}/";\nDir::State::status "{root}/var/lib/dpkg/status";\nDPkg::Chroot-Directory "{root}";\n'
        'APT::Sandbox::User "root";\nBinary::apt-get::APT::Keep-Downloaded-Packages "true";\n', encoding="utf-8")
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-c", settings)
    before = installed(root)
    shutil.copy(deb, root / "tmp/ashlar.deb")
    must(*apt, "update")
    must(*apt, "install", *QUIET, root / "tmp/ashlar.deb")
    package, = (name for name in installed(root) - before if name.startswith("ashlar"))
    print(f"{deb.name} brought", *sorted(installed(root) - before), flush=True)
    use(root, sorted((root / "usr/bin").glob("ashlar-*")))
    must("chroot", root, "dpkg", "--purge", package)
    left = list((root / "usr").rglob("*ashlar*"))
    assert not left, f"{package} is purged and leaves {left}"
    with tarfile.open(tar) as archive:
        archive.extractall(root / "opt")
    use(root, sorted((root / "opt").glob("*/bin/ashlar-*")))


def installed(root):
    said = must("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${db:Status-Status}\n")
    return {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}


def use(root, programs):
    assert {"ashlar-serve", "ashlar-replay"} <= {path.name for path in programs}, programs
    for path in programs:
        inside = f"/{path.relative_to(root)}"
        if path.name == "ashlar-replay":  # has no --help
            run = subprocess.run(["chroot", root, inside], stderr=subprocess.PIPE, text=True, check=False)
            assert run.returncode == 2 and "usage: ashlar-replay" in run.stderr, run
            continue
        assert path.name in must("chroot", root, inside, "--help")
        if path.name != "ashlar-serve":
            continue
        print(must("chroot", root, inside, "--version").strip())
        words = root / "tmp" / inside[1:].replace("/", "-")
        words.write_text(f'#!/bin/sh\nexec chroot {root} {inside} "$@"\n', encoding="utf-8")
        words.chmod(0o755)
        ask(words)


def main():
    packs, cache = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    if sys.argv[3:] == ["--in-namespaces"]:
        return in_namespaces(packs, cache)
    if os.geteuid():
        skip("an empty root needs root")
    if not shutil.which("mmdebstrap"):
        skip("there is no mmdebstrap (examples/support/setup test installs it)")
    for folder in (cache / "root", cache / "debs/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    words = namespaces(cache / "root") or skip("root has no namespaces here")
    # In this process's place: who kills it kills all.
    return os.execvp(words[0], [*words, sys.executable, "-B", *sys.argv, "--in-namespaces"])


if __name__ == "__main__":
    sys.exit(main())
