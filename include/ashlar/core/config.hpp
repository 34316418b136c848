// SPDX-License-Identifier: Apache-2.0
// The compiler's weather, in one place: what differs between a host compiler and nvcc, and nothing else.
#pragma once

#if defined(__CUDACC__)
#define ASHLAR_HD __host__ __device__
#define ASHLAR_HD_AS_T _Pragma("nv_exec_check_disable") __host__ __device__ // on the device where its T can be
#else
#define ASHLAR_HD
#define ASHLAR_HD_AS_T
#endif
