// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>

#include <ashlar/kernel/attention.hpp>
#include <ashlar/kernel/cache_vector.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

namespace {

// Keys and values of `length` positions in scattered pages; everything else in the pool is NaN.
template <class T>
struct cache {
    std::uint32_t heads, dim, per_block;
    std::vector<T> pool;
    std::vector<al::block_run> runs;
    std::vector<float> key, value; // (position, head, dim), as stored

    cache(std::uint32_t length, std::uint32_t kv_heads, std::uint32_t head_dim, std::uint32_t tokens_per_block)
        : heads(kv_heads), dim(head_dim), per_block(tokens_per_block) {
        const std::uint32_t blocks = (length + per_block - 1) / per_block;
        for (std::uint32_t left = blocks; left > 0;) { // runs of 2, 1, 2, …, the later ones in front, with gaps
            const std::uint32_t n = std::min(left, std::uint32_t(runs.size() % 2 ? 1 : 2));
            runs.push_back({3 * left, n});
            left -= n;
        }
        pool.resize(std::size_t{3 * blocks + 3} * 2 * heads * per_block * dim);
        std::memset(pool.data(), 0xff, pool.size() * sizeof(T)); // NaN in every format
        const auto numbers = each::numbers(std::size_t{length} * heads * dim * 2, 5, 2);
        const auto v = view();
        const float* next = numbers.data();
        const auto store = [&](T* at, std::vector<float>& as_stored) {
            k::store_vector<k::portable>(next, dim, at);
            for (std::uint32_t d = 0; d < dim; ++d) {
                if constexpr (std::is_same_v<T, al::scaled16>)
                    as_stored.push_back(al::to_float(at[d], al::scale_of(at)));
                else
                    as_stored.push_back(al::to_float(at[d]));
            }
            next += dim;
        };
        for (std::uint32_t p = 0; p < length; ++p) {
            for (std::uint32_t h = 0; h < heads; ++h) {
                const std::uint32_t b = v.block(p / per_block);
                store(v.at(b, al::plane::key, h, p % per_block), key);
                store(v.at(b, al::plane::value, h, p % per_block), value);
            }
        }
    }
    al::paged_view<T> view() {
        const auto token = std::ptrdiff_t(dim * sizeof(T)), head = token * per_block, plane = head * heads;
        return {.base = reinterpret_cast<std::byte*>(pool.data()),
                .block_stride = 2 * plane,
                .plane_stride = plane,
                .head_stride = head,
                .token_stride = token,
                .tokens_per_block = per_block,
                .head_count = heads,
                .head_dim = dim,
                .runs = runs};
    }
};

// All heads of tokens [position, position + tokens), in tiles of `tile` tokens and `share` heads.
template <class K, class T>
std::vector<float> attend(cache<T>& c, const std::vector<float>& query, std::uint32_t heads, std::uint32_t position,
                          std::uint32_t tokens, std::uint32_t tile, std::uint32_t share) {
    const std::size_t width = std::size_t{heads} * c.dim;
    std::vector<float> out(tokens * width, each::poison);
    for (std::uint32_t t = 0; t < tokens; t += tile) {
        for (std::uint32_t h = 0; h < heads; h += share) {
            k::attend<K>(c.view(),
                         {query.data() + t * width, width, out.data() + t * width, width, position + t,
                          std::min(tile, tokens - t)},
                         heads, h, share);
        }
    }
    return out;
}

template <class T>
void check(std::uint32_t kv_heads, std::uint32_t group, std::uint32_t dim, std::uint32_t per_block) {
    constexpr std::uint32_t length = 53;
    cache<T> c(length, kv_heads, dim, per_block);
    const std::uint32_t heads = kv_heads * group;
    const auto query = each::numbers(std::size_t{length} * heads * dim, 6);
    const auto whole = attend<k::portable>(c, query, heads, 0, length, 8, group);

    for (std::uint32_t p = 0; p < length; ++p) {
        for (std::uint32_t h = 0; h < heads; ++h) {
            const float* q = query.data() + (std::size_t{p} * heads + h) * dim;
            std::vector<double> weight(p + 1);
            double highest = -INFINITY, sum = 0;
            for (std::uint32_t j = 0; j <= p; ++j) {
                double dot = 0;
                for (std::uint32_t d = 0; d < dim; ++d)
                    dot += double(q[d]) * c.key[(j * kv_heads + h / group) * dim + d];
                weight[j] = dot, highest = std::max(highest, dot);
            }
            for (double& w : weight) w = std::exp(w - highest), sum += w;
            for (std::uint32_t d = 0; d < dim; ++d) {
                double expected = 0;
                for (std::uint32_t j = 0; j <= p; ++j)
                    expected += weight[j] / sum * c.value[(j * kv_heads + h / group) * dim + d];
                REQUIRE(std::abs(whole[(std::size_t{p} * heads + h) * dim + d] - expected) < 2e-5);
            }
        }
    }
    each::kernel([&]<class K>() {
        CAPTURE(std::string(K::name));
        for (const std::uint32_t tile : {1u, 3u, 8u}) {
            CHECK(each::same_bits(attend<K>(c, query, heads, 0, length, tile, group), whole));
            CHECK(each::same_bits(attend<K>(c, query, heads, 0, length, tile, 1), whole));
        }
        // A later chunk alone, from an odd position.
        const std::size_t width = std::size_t{heads} * dim;
        const std::vector<float> rest(query.begin() + std::ptrdiff_t(21 * width), query.end());
        CHECK(each::same_bits(attend<K>(c, rest, heads, 21, length - 21, 8, group),
                              {whole.begin() + std::ptrdiff_t(21 * width), whole.end()}));
    });
}

} // namespace

TEST_CASE("attention follows float64, never sees poison, and gives the same bits for every tile and processor") {
    check<al::f16>(3, 3, 64, 16);
    check<al::f32>(2, 2, 16, 5);
    check<al::bf16>(1, 4, 80, 32);
    check<al::scaled16>(1, 7, 48, 16);
    check<al::scaled16>(3, 3, 64, 3);
}

TEST_CASE("the pages' size does not change a bit") {
    cache<al::f16> small(40, 1, 64, 3), large(40, 1, 64, 64);
    const auto query = each::numbers(40 * 64, 7);
    CHECK(each::same_bits(attend<k::cpu>(small, query, 1, 0, 40, 8, 1), attend<k::cpu>(large, query, 1, 0, 40, 1, 1)));
}

TEST_CASE("query heads that the KV heads do not divide, or that do not exist, are refused before anything is read") {
    cache<al::f16> c(4, 2, 16, 4);
    const auto query = each::numbers(6 * 16, 7);
    std::vector<float> out(6 * 16);
    const al::assert_handler before = al::set_assert_handler([](const char*, const char*, int) { throw 1; });
    const auto refused = [&](std::uint32_t heads, std::uint32_t first, std::uint32_t count) {
        try {
            k::attend<k::cpu>(c.view(), {query.data(), 96, out.data(), 96, 0, 1}, heads, first, count);
        } catch (int) {
            return true;
        }
        return false;
    };
    const bool undivided = refused(3, 2, 1), none = refused(0, 0, 1), beyond = refused(4, 4, 1),
               good = refused(4, 2, 2);
    (void)al::set_assert_handler(before);
    CHECK(undivided);
    CHECK(none);
    CHECK(beyond);
    CHECK(!good);
}
