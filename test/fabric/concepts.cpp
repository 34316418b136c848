// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/concepts.hpp>

#include <doctest/doctest.h>

#include <ashlar/fabric/loopback.hpp>

using namespace ashlar;
using namespace ashlar::fabric;

namespace {
struct only_memory {
    result<region> register_memory(memory) { return error{}; }
    result<void> deregister_memory(const region&) { return {}; }
};
} // namespace

TEST_CASE("a concept asks for its own part only") {
    static_assert(registrar<only_memory> && !connectable<only_memory> && !fabric::fabric<only_memory>);
    static_assert(fabric::fabric<loopback> && readable<loopback> && check_fabric<loopback>());
    static_assert(!waitable<loopback>);
    CHECK(!only_memory{}.register_memory({}));
}
