# SPDX-License-Identifier: Apache-2.0
"""ashlar as a Conan 2 package: headers, one component a module, with the names that find_package knows.

    conan create conan                              # every module that needs nothing but a C++20 compiler
    conan create conan -o 'ashlar/*:with_ofi=True'  # ashlar::ofi too, which requires libfabric

A libfabric of the system's own is named by [platform_requires], as in test/install/platform.profile; the consumer then
takes the generator CMakeConfigDeps, since CMakeDeps knows no packages of the platform. CUDA is never required.
"""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.scm import Version

# The module table of CMakeLists.txt once more; test/tidy holds the two against each other.
MODULES = {
    "core": [],
    "plan": ["core"],
    "fabric": ["core"],
    "kernel": ["core"],
    "kv": ["fabric"],
    "model": ["kernel", "kv"],
    "sched": ["core", "kv"],
    "sim": ["fabric"],
    "ofi": ["fabric"],
}
DRIVERS = ["sim", "ofi"]  # stay out of ashlar::ashlar


class AshlarConan(ConanFile):
    name = "ashlar"
    description = "Header-only building blocks for AI infrastructure"
    topics = ("llm", "serving", "kv-cache", "rdma", "libfabric", "header-only")
    license = "Apache-2.0"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"  # to refuse what cannot work; the package is the same for all
    options = {"with_ofi": [True, False]}
    default_options = {"with_ofi": False}
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "..", "include", "ashlar", "core", "version.hpp"))
        self.version = ".".join(re.search(rf"#define ASHLAR_VERSION_{part} (\d+)", text)[1]
                                for part in ("MAJOR", "MINOR", "PATCH"))

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..")
        copy(self, "include/*", root, self.export_sources_folder)
        copy(self, "LICENSE", root, self.export_sources_folder)

    def requirements(self):
        if self.options.with_ofi:
            self.requires("libfabric/[>=1.17]")

    def package_id(self):
        self.info.clear()

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)
        oldest = {"gcc": "12", "clang": "16"}.get(str(self.settings.compiler))
        if oldest and Version(self.settings.compiler.version) < oldest:
            raise ConanInvalidConfiguration(f"ashlar needs {self.settings.compiler} {oldest} or later")
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("ashlar is written for Linux")

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        copy(self, "*.cuh", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "ashlar")
        for module, depends in MODULES.items():
            if module == "ofi" and not self.options.with_ofi:
                continue
            self._component(module, f"ashlar-{module}", depends)
        self._component("ashlar", "ashlar", [module for module in MODULES if module not in DRIVERS])
        if self.options.with_ofi:
            self.cpp_info.components["ofi"].requires.append("libfabric::libfabric")
            self.cpp_info.components["ofi"].system_libs = ["fabric"]  # all that a libfabric of the platform tells

    def _component(self, name, pkg_config, depends):
        component = self.cpp_info.components[name]
        component.set_property("cmake_target_name", f"ashlar::{name}")
        component.set_property("pkg_config_name", pkg_config)
        component.requires = list(depends)
        component.bindirs = component.libdirs = []
