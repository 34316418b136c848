# SPDX-License-Identifier: Apache-2.0
# One translation unit a public header, that includes nothing else and is built without exceptions and RTTI: a header
# stands on its own feet. The short macro names are those that system and vendor headers define; ours must bear them.

# ashlar_public_headers(<variable>): "kv.hpp", "kv/pool.hpp", ... of the modules that can be built here.
function(ashlar_public_headers variable)
  set(headers "")
  foreach(module IN LISTS ASHLAR_MODULES)
    file(GLOB found CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include/ashlar
         ${PROJECT_SOURCE_DIR}/include/ashlar/${module}.hpp ${PROJECT_SOURCE_DIR}/include/ashlar/${module}/*.hpp)
    list(APPEND headers ${found})
  endforeach()
  set(${variable} ${headers} PARENT_SCOPE)
endfunction()

# ashlar_front_doors(<variable>): "core.hpp", "kv.hpp", ... of the modules that have one already.
function(ashlar_front_doors variable)
  ashlar_public_headers(headers)
  list(FILTER headers EXCLUDE REGEX "/")
  set(${variable} ${headers} PARENT_SCOPE)
endfunction()

function(ashlar_header_units target)
  ashlar_public_headers(headers)
  set(sources "")
  foreach(header IN LISTS headers)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${header}.cpp)
    file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
#define I poisoned
#define small poisoned
#define B0 poisoned
#include <ashlar/@header@>
#include <ashlar/@header@>
]])
    list(APPEND sources ${source})
  endforeach()
  add_library(${target} OBJECT ${sources})
  target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti)
  foreach(module IN LISTS ASHLAR_MODULES)
    target_link_libraries(${target} PRIVATE ashlar::${module})
  endforeach()
endfunction()
