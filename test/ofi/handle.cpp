// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/handle.hpp>

#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;

namespace {
// As libfabric's own objects: a struct that begins with a fid whose table knows how to close it.
struct object {
    struct ::fid fid;
    int number;
};
std::vector<int> closed;
int close_it(struct ::fid* f) {
    closed.push_back(reinterpret_cast<object*>(f)->number);
    return 0;
}
fi_ops operations = [] {
    fi_ops o{};
    o.size = sizeof o;
    o.close = close_it;
    return o;
}();
object make(int number) {
    object o{};
    o.fid.ops = &operations;
    o.number = number;
    return o;
}
} // namespace

TEST_CASE("a handle closes what it holds, once, and nothing when it is empty") {
    closed.clear();
    object one = make(1);
    {
        ofi::handle<object> empty;
        CHECK(!empty);
        CHECK(empty.get() == nullptr);
        ofi::handle<object> h;
        *h.put() = &one; // as fi_*_open fills it in
        CHECK(h);
        CHECK(h->number == 1);
        ofi::handle<object> other(std::move(h));
        CHECK(!h);
        CHECK(other.get() == &one);
        CHECK(closed.empty());
    }
    CHECK(closed == std::vector{1});
    static_assert(!std::is_copy_constructible_v<ofi::handle<object>>);
    static_assert(std::is_nothrow_move_constructible_v<ofi::handle<object>>);
}

TEST_CASE("assignment closes what was held before") {
    closed.clear();
    object one = make(1), two = make(2);
    {
        ofi::handle<object> a, b;
        *a.put() = &one, *b.put() = &two;
        a = std::move(b);
        CHECK(closed == std::vector{1});
        CHECK(a.get() == &two);
        a = {};
        CHECK(closed == std::vector{1, 2});
    }
    CHECK(closed == std::vector{1, 2});
}

TEST_CASE("members are closed from the last to the first, as an endpoint needs it") {
    closed.clear();
    object domain = make(1), endpoint = make(2);
    {
        struct {
            ofi::handle<object> domain, endpoint;
        } both;
        *both.domain.put() = &domain, *both.endpoint.put() = &endpoint;
    }
    CHECK(closed == std::vector{2, 1});
}
