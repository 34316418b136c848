# SPDX-License-Identifier: Apache-2.0
# cmake -D conan= -D source= -D ofi=True -D work= -P conan.cmake: the recipe makes a package and its test package builds
# and runs a consumer of every component, in a home of its own and without asking any remote.
file(REMOVE_RECURSE ${work})
set(ENV{CONAN_HOME} ${work}/home)

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(profile ${CMAKE_CURRENT_LIST_DIR}/platform.profile)
foreach(with_ofi IN ITEMS False ${ofi})
  must(${conan} create ${source}/conan --no-remote --profile:all ${profile} --options "ashlar/*:with_ofi=${with_ofi}"
       --conf tools.cmake.cmake_layout:test_folder=${work}/test --conf tools.cmake.cmaketoolchain:user_presets=)
  if(NOT output MATCHES "ashlar [0-9]+: well")
    message(FATAL_ERROR "the consumer did not run:\n${output}")
  endif()
endforeach()
if(ofi AND NOT output MATCHES "libfabric [0-9]+\\.[0-9]+")
  message(FATAL_ERROR "with_ofi brings no libfabric:\n${output}")
endif()

# What cannot work is refused in words.
execute_process(COMMAND ${conan} create ${source}/conan --no-remote --profile:all ${profile} --test-folder=
                        --settings:all compiler.version=11
                RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT failed OR NOT output MATCHES "ashlar needs gcc 12 or later")
  message(FATAL_ERROR "gcc 11 is not refused in words:\n${output}")
endif()
