# SPDX-License-Identifier: Apache-2.0
# Read by cpack once a kind of package: an archive unpacks into one folder, a .deb into the root.
if(CPACK_GENERATOR STREQUAL "TGZ")
  set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
endif()
