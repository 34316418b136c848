// SPDX-License-Identifier: Apache-2.0
// The compiler's weather, in one place: what differs between a host compiler and nvcc, and nothing else.
#pragma once

#if defined(__CUDACC__)
#define ASHLAR_HD __host__ __device__
#else
#define ASHLAR_HD
#endif
