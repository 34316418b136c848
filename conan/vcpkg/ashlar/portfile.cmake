# SPDX-License-Identifier: Apache-2.0
# An overlay port: `vcpkg install ashlar --overlay-ports=conan/vcpkg` in a checkout of ashlar, which is the source.
set(VCPKG_BUILD_TYPE release) # headers are the same for every configuration

get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
vcpkg_check_features(OUT_FEATURE_OPTIONS features FEATURES ofi ASHLAR_OFI)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS -DASHLAR_TESTS=OFF -DASHLAR_EXAMPLES=OFF -DASHLAR_BENCH=OFF -DASHLAR_INSTALL=ON -DASHLAR_CUDA=OFF ${features})
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME ashlar CONFIG_PATH share/cmake/ashlar)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/lib")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
