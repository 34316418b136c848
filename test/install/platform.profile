# What Debian 12 brings itself; gcc 12 is the oldest gcc that ashlar knows.
[settings]
os=Linux
arch=x86_64
compiler=gcc
compiler.version=12
compiler.libcxx=libstdc++11
compiler.cppstd=20
build_type=Release

[conf]
tools.build:compiler_executables={"cpp": "g++-12"}
tools.cmake.cmaketoolchain:generator=Ninja

[platform_requires]
libfabric/1.17.0
