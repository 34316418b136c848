// SPDX-License-Identifier: Apache-2.0
// ASHLAR_ASSERT: what the programmer promised. Always on, also in release builds: a broken promise must not
// become a wrong answer. What the environment does (files, peers, memory limits) is a `result`, never an assertion.
//
//     ASHLAR_ASSERT(index < size);
#pragma once

#include <cstdio>

#include <ashlar/core/config.hpp>

namespace ashlar::inline v0 {

// Called on a broken promise; must not return. Replaceable, so that a test can expect the failure.
using assert_handler = void (*)(const char* expression, const char* file, int line);

namespace detail {
// To stderr, which is not buffered: abort() flushes nothing.
[[noreturn]] inline void print_and_abort(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    __builtin_abort();
}
inline assert_handler current_assert_handler = print_and_abort;

[[noreturn]] inline void assertion_failed(const char* expression, const char* file, int line) {
    current_assert_handler(expression, file, line);
    __builtin_abort();
}
} // namespace detail

// Returns the handler that was set before. Not for use while other threads run.
inline assert_handler set_assert_handler(assert_handler handler) {
    assert_handler before = detail::current_assert_handler;
    detail::current_assert_handler = handler;
    return before;
}

} // namespace ashlar::inline v0

#if defined(__CUDA_ARCH__)
#define ASHLAR_ASSERT(condition) ((condition) ? void(0) : __trap())
#else
#define ASHLAR_ASSERT(condition)                                                                                       \
    (__builtin_expect(static_cast<bool>(condition), 1)                                                                 \
         ? void(0)                                                                                                     \
         : ::ashlar::detail::assertion_failed(#condition, __FILE__, __LINE__))
#endif
