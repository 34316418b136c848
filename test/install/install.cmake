# SPDX-License-Identifier: Apache-2.0
# cmake -D build= -D source= -D components=core,kv -D compiler= -D work= -P install.cmake
set(consumer ${source}/conan/test_package)
file(REMOVE_RECURSE ${work})

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${output}")
  endif()
endfunction()

function(configure name) # further arguments go to CMake
  must(${CMAKE_COMMAND} -S ${consumer} -B ${work}/${name} -G Ninja -D CMAKE_CXX_COMPILER=${compiler} ${ARGN})
endfunction()

function(build_and_run name)
  must(${CMAKE_COMMAND} --build ${work}/${name})
  must(${work}/${name}/consumer)
  message(STATUS "${name}: builds and runs")
endfunction()

must(${CMAKE_COMMAND} --install ${build} --prefix ${work}/prefix --component headers)

file(GLOB_RECURSE written RELATIVE ${source}/include ${source}/include/*)
file(GLOB_RECURSE installed RELATIVE ${work}/prefix/include ${work}/prefix/include/*)
list(SORT written)
list(SORT installed)
if(NOT written STREQUAL installed)
  message(FATAL_ERROR "include/ holds ${written}\ninstalled are ${installed}")
endif()

# A prefix may be moved: nothing in it may know where it was made.
file(RENAME ${work}/prefix ${work}/moved)
set(found -D CMAKE_PREFIX_PATH=${work}/moved)
configure(every_component ${found} -D components=${components})
build_and_run(every_component)
configure(aggregate ${found})
build_and_run(aggregate)
configure(subdirectory -D ashlar_source=${source} -D components=${components})
build_and_run(subdirectory)

# Asking for core alone must not look for pkg-config, libfabric or anything else.
configure(core_alone ${found} -D components=core -D CMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON)
build_and_run(core_alone)

# A build that knows nothing but pkg-config.
function(by_pkg_config package header)
  file(WRITE ${work}/${package}/requested.hpp "#include <ashlar/${header}.hpp>\n")
  must(env PKG_CONFIG_PATH=${work}/moved/share/pkgconfig sh -c
       "${compiler} -std=c++20 -I . ${consumer}/main.cpp -o consumer $(pkg-config --cflags --libs ${package})"
       WORKING_DIRECTORY ${work}/${package})
  must(${work}/${package}/consumer)
  message(STATUS "${package}.pc: builds and runs")
endfunction()
by_pkg_config(ashlar kv)
if(components MATCHES "(^|,)ofi(,|$)")
  by_pkg_config(ashlar-ofi ofi)
endif()

# What is not there is named.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${consumer} -B ${work}/unknown -G Ninja ${found} -D components=mortar
                        -D CMAKE_CXX_COMPILER=${compiler}
                RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT failed OR NOT output MATCHES "ashlar has no component mortar")
  message(FATAL_ERROR "an unknown component is not refused in words:\n${output}")
endif()
