// SPDX-License-Identifier: Apache-2.0
// workers: the threads that a kernel may use. The library starts none; the caller hands them in. `serial` is the one
// worker that everybody has.
//
//     pool.parallel_for(n, [&](std::size_t i) { ... });   // every i in [0, n) exactly once; returns when all are done
//
// How the indices fall on threads must not change a result: kernels give each index its own outputs.
#pragma once

#include <concepts>
#include <cstddef>

namespace ashlar::inline v0 {

template <class W>
concept workers = requires(W w, std::size_t count, void (*body)(std::size_t)) {
    { w.size() } -> std::convertible_to<std::size_t>;
    w.parallel_for(count, body);
};

struct serial_workers {
    static constexpr std::size_t size() { return 1; }
    template <class Body>
    void parallel_for(std::size_t count, Body&& body) {
        for (std::size_t i = 0; i < count; ++i) body(i);
    }
};

} // namespace ashlar::inline v0
