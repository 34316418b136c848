#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""programs.py WORK: what cpack packs is what a user without a compiler gets. Builds the preset `package`, packs,
unpacks the .deb and the .tar.gz into empty folders and lets the server of each answer a question. empty_root.py takes
it from there, into a root that has nothing but what the .deb depends on."""
import glob
import os
import pathlib
import re
import shutil
import sys
import tarfile

from packs import SOURCE, ask, must

work = pathlib.Path(sys.argv[1]).resolve()
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
build = SOURCE / "build/package"
must("cmake", "--preset", "package", cwd=SOURCE)
must("cmake", "--build", build, "--target", "all", cwd=SOURCE)
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

with tarfile.open(tar) as archive:
    archive.extractall(work / "tar")
ask(work / "deb/usr/bin/ashlar-serve")
ask(*glob.glob(f"{work}/tar/*/bin/ashlar-serve"))
