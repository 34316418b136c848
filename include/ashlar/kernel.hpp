// SPDX-License-Identifier: Apache-2.0
// kernel: what a decoder computes with, on the processor the program is compiled for. Matrix products over packed
// weights in eleven formats, paged attention, norms, rotary positions, sampling: templates over a vocabulary of 16
// floats that AVX-512, AVX2 and plain C++ spell alike, so that all of them, for one token or many, give the same
// bits.
#pragma once

#include <ashlar/kernel/attention.hpp>
#include <ashlar/kernel/cache_vector.hpp>
#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/exp.hpp>
#include <ashlar/kernel/likeliest.hpp>
#include <ashlar/kernel/mask.hpp>
#include <ashlar/kernel/matmul.hpp>
#include <ashlar/kernel/norm.hpp>
#include <ashlar/kernel/panel.hpp>
#include <ashlar/kernel/penalties.hpp>
#include <ashlar/kernel/rope.hpp>
#include <ashlar/kernel/sample.hpp>
#include <ashlar/kernel/weight.hpp>
#include <ashlar/kernel/weight_format.hpp>
