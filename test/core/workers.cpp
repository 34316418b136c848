// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/workers.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace ashlar;

namespace {
struct no_size {
    template <class Body>
    void parallel_for(std::size_t, Body&&) {}
};
struct only_calls_function_pointers {
    std::size_t size() const { return 1; }
    void parallel_for(std::size_t n, void (*body)(std::size_t)) {
        for (std::size_t i = 0; i < n; ++i) body(i);
    }
};
} // namespace

TEST_CASE("the concept asks for a size and a loop") {
    static_assert(workers<serial_workers>);
    static_assert(workers<only_calls_function_pointers>);
    static_assert(!workers<no_size>);
    static_assert(!workers<int>);
}

TEST_CASE("the serial worker calls every index once, in order") {
    std::vector<std::size_t> seen;
    serial_workers one;
    one.parallel_for(5, [&](std::size_t i) { seen.push_back(i); });
    CHECK(seen == std::vector<std::size_t>{0, 1, 2, 3, 4});
    one.parallel_for(0, [&](std::size_t) { FAIL("nothing to do"); });
    CHECK(one.size() == 1);
}
