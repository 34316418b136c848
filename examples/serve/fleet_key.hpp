// SPDX-License-Identifier: Apache-2.0
// The key that the processes of one fleet share: challenges on control connections and tickets stand on it. It travels
// in a file or a descriptor, never in arguments or the environment.
#pragma once

#include <string>

#include <ashlar/core/siphash.hpp>

namespace serve {

ashlar::key128 key_from_fd(int fd);                    // 16 bytes from its start; throws std::runtime_error
ashlar::key128 key_from_file(const std::string& path); // 32 hexadecimal digits; nobody but its owner may read it
int fd_of_key(ashlar::key128 key);                     // memory only, for children to inherit

} // namespace serve
