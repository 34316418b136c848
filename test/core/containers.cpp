// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/containers.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <type_traits>
#include <vector>

using namespace ashlar;

TEST_CASE("a fixed array starts with zeros and can be moved, not copied") {
    fixed_array<int> a(3);
    CHECK(a.size() == 3);
    for (int x : a) CHECK(x == 0);
    a[1] = 7;
    fixed_array<int> b = std::move(a);
    CHECK(a.size() == 0);
    CHECK(b[1] == 7);
    a = std::move(b);
    CHECK(a[1] == 7);
    CHECK(fixed_array<int>(0).begin() == nullptr);
    static_assert(!std::is_copy_constructible_v<fixed_array<int>>);
}

TEST_CASE("a bounded vector refuses what does not fit and has not changed then") {
    bounded_vector<int> v(2);
    CHECK(v.empty());
    CHECK(v.push_back(1));
    CHECK(v.push_back(2));
    CHECK(v.full());
    CHECK_FALSE(v.push_back(3));
    CHECK(v.size() == 2);
    CHECK(v.back() == 2);
    CHECK(std::span<const int>(v).size() == 2);
    v.erase(0);
    CHECK(v[0] == 2);
    v.pop_back();
    CHECK(v.empty());
    CHECK_FALSE(bounded_vector<int>(0).push_back(1));
}

TEST_CASE("a fixed vector of trivial things is trivial and lives at compile time") {
    using three = fixed_vector<int, 3>;
    static_assert(std::is_trivially_copyable_v<three>);
    static_assert([] {
        three v;
        const bool fits = v.push_back(1) && v.push_back(2) && v.push_back(3) && !v.push_back(4);
        v.erase(1);
        return fits && v.size() == 2 && v[0] == 1 && v[1] == 3;
    }());
}

TEST_CASE("an index past the end is a bug") {
    struct broken_promise {};
    const auto before = set_assert_handler([](const char*, const char*, int) { throw broken_promise{}; });
    bounded_vector<int> v(2);
    fixed_array<int> a(1);
    ring<int> r(1);
    CHECK_THROWS_AS((void)v[0], broken_promise);
    CHECK_THROWS_AS((void)v.back(), broken_promise);
    CHECK_THROWS_AS(v.pop_back(), broken_promise);
    CHECK_THROWS_AS((void)a[1], broken_promise);
    CHECK_THROWS_AS((void)r.pop(), broken_promise);
    set_assert_handler(before);
}

TEST_CASE("a ring behaves like a queue with a limit, under 100,000 random operations") {
    ring<std::unique_ptr<int>> ours(7);
    std::deque<int> model;
    random_stream r{.seed = 3};
    for (int i = 0; i < 100'000; ++i) {
        if (r.chance(0.52f)) {
            const bool fits = model.size() < 7;
            REQUIRE(ours.push(std::make_unique<int>(i)) == fits);
            if (fits) model.push_back(i);
        } else if (!model.empty()) {
            REQUIRE(*ours.pop() == model.front());
            model.pop_front();
        }
        REQUIRE(ours.size() == model.size());
        REQUIRE(ours.full() == (model.size() == 7));
        for (std::size_t k = 0; k < model.size(); ++k) REQUIRE(*ours[k] == model[k]);
    }
}

TEST_CASE("an id table behaves like a map with a limit, under 200,000 random operations") {
    for (std::uint64_t keys : {8u, 40u, 1'000'000u}) { // few keys: long runs of neighbours and many erasures in them
        id_table<std::uint64_t, int> ours(32);
        std::map<std::uint64_t, int> model;
        random_stream r{.seed = keys};
        for (int i = 0; i < 200'000; ++i) {
            const std::uint64_t key =
                keys > 1000 && !model.empty() && r.chance(0.5f)
                    ? std::next(model.begin(), static_cast<std::ptrdiff_t>(r.below(model.size())))->first
                    : r.below(keys);
            if (r.chance(0.5f)) {
                const bool fits = model.size() < 32 && !model.contains(key);
                int* at = ours.insert(key, i);
                REQUIRE((at != nullptr) == fits);
                if (fits) model[key] = i;
            } else {
                REQUIRE(ours.erase(key) == (model.erase(key) == 1));
            }
            REQUIRE(ours.size() == model.size());
            if (i % 64 == 0)
                for (auto [k, v] : model) REQUIRE(*ours.find(k) == v);
            const auto it = model.find(key);
            REQUIRE((ours.find(key) != nullptr) == (it != model.end()));
        }
    }
}

TEST_CASE("an id table of no entries refuses and finds nothing") {
    id_table<std::uint32_t, int> none(0);
    CHECK(none.insert(1, 1) == nullptr);
    CHECK(none.find(1) == nullptr);
    CHECK_FALSE(none.erase(1));
}
