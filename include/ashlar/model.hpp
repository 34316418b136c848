// SPDX-License-Identifier: Apache-2.0
// model: decoders put together at compile time, decoder<Architecture, Kernel, Cache>. The architecture says which
// layers, the kernel which processor, the cache how keys and values lie in pages; facts and weights come by value and
// by name. Batch-invariant: a request's logits are the same bits whatever shares its batch and however its prompt is
// cut.
#pragma once

#include <ashlar/model/decoder.hpp>
#include <ashlar/model/llama.hpp>
#include <ashlar/model/llama_weights.hpp>
