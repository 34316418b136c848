#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""programs.py SOURCE WORK: what cpack packs is what a user without a compiler gets. Builds the preset `package`, packs,
unpacks the .deb and the .tar.gz into empty folders and lets the server of each answer a question.

--empty-root instead installs the .deb by apt-get into a new root made by debootstrap (needs root and a mirror), so that
nothing but what its Depends say is there, unpacks the .tar.gz beside it, and asks those two."""
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
empty_root = "--empty-root" in sys.argv
source, work = (pathlib.Path(word).resolve() for word in sys.argv[1:] if not word.startswith("--"))
sys.path.insert(0, str(source / "test/e2e"))
if "ASHLAR_MODEL" not in os.environ:
    os.environ["ASHLAR_MODEL"] = subprocess.check_output([source / "examples/support/fetch_model"], text=True).strip()


def must(*command, **more):
    run = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         **more)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{run.stdout[-4000:]}")
    return run.stdout


def ask(program, *arguments):
    """One answer from the server that `program` is, which gets the arguments too."""
    os.environ["ASHLAR_SERVE"] = str(program)
    from server import Server
    with Server("--fabric", "ofi", *arguments) as server:
        answer = server.chat("What is the capital of France?", max_tokens=24)
    text = answer["choices"][0]["message"]["content"]
    assert "Paris" in text, text
    print(f"{program}: {text!r}")


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
build = source / "build/package"
must("cmake", "--preset", "package", cwd=source)
must("cmake", "--build", build, "--target", "all", cwd=source)
must("cpack", "-B", work, cwd=build)
(deb,), (tar,) = glob.glob(f"{work}/*.deb"), glob.glob(f"{work}/*.tar.gz")

said = must("dpkg-deb", "--info", deb)
needs = next(line for line in said.splitlines() if line.strip().startswith("Depends:"))
must("dpkg-deb", "--extract", deb, work / "deb")
for program in sorted((work / "deb/usr/bin").iterdir()):  # each library that one names is in a package that is needed
    libraries = re.findall(r"NEEDED +(\S+)", must("objdump", "-p", program))
    assert {"libc.so.6", "libstdc++.so.6"} <= set(libraries), libraries
    for library in libraries:
        packages = {line.split(":")[0] for line in must("dpkg", "-S", "*/" + library).splitlines()}
        names = packages | set(re.findall(r"[\w.+-]{3,}", must("dpkg-query", "-W", "-f", "${Provides} ", *packages)))
        assert names & set(re.findall(r"[\w.+-]+", needs)), f"{program}: {library} of {names}; {needs}"
assert "libfabric1 (>= 1.17" in needs, needs
print(f"{os.path.basename(deb)}: {os.path.getsize(deb)} bytes,{needs}")
for path in must("dpkg-deb", "--contents", deb).splitlines():
    assert path.split()[5].startswith(("./usr/bin/", "./usr/share/doc/")) or path.endswith("/"), path

if empty_root:
    root = work / "root"
    print("debootstrap ...", flush=True)
    mirror = must("sh", "-c", "sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources | head -n 1").strip()
    must("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, *filter(None, [mirror]))
    shutil.copy(deb, root / "tmp/ashlar.deb")
    for path in glob.glob("/etc/apt/sources.list.d/*.sources") + glob.glob("/etc/apt/apt.conf.d/99*"):
        shutil.copy(path, f"{root}{path}")
    shutil.copytree("/usr/local/share/ca-certificates", f"{root}/usr/local/share/ca-certificates", dirs_exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", f"{root}/etc/ssl/certs/")
    for path in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copy(path, f"{root}{path}")
    must("chroot", root, "apt-get", "update")
    must("chroot", root, "apt-get", "install", "-y", "--no-install-recommends", "/tmp/ashlar.deb")
    shutil.copy(os.environ["ASHLAR_MODEL"], root / "tmp/model.gguf")
    with tarfile.open(tar) as archive:
        archive.extractall(root / "opt")
    programs = [f"{root}/usr/bin/ashlar-serve", *glob.glob(f"{root}/opt/*/bin/ashlar-serve")]
    for number, program in enumerate(path.removeprefix(str(root)) for path in programs):
        inside = work / f"in-root-{number}"
        inside.write_text(f"""#!/bin/sh
# The server sees the empty root and nothing else; the model lies in its /tmp.
shift 2
exec unshare --mount sh -c '
  mount --make-rprivate / && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
  exec chroot "$0" {program} --model /tmp/model.gguf "$@"' {root} "$@"
""")
        inside.chmod(0o755)
        ask(inside)
    shutil.rmtree(root)
else:
    with tarfile.open(tar) as archive:
        archive.extractall(work / "tar")
    ask(work / "deb/usr/bin/ashlar-serve")
    ask(*glob.glob(f"{work}/tar/*/bin/ashlar-serve"))
