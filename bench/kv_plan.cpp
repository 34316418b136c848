// SPDX-License-Identifier: Apache-2.0
// kv_plan PLANS [--fragments alternate|pairs|random|both|none] [--baseline]: plans the transfer of one layer of a
// prompt of 5,000 tokens in blocks of 16, PLANS times, for callgrind to count. `--baseline` does all but the planning.
// Prints {"runs": contiguous runs a plan, "descriptors": ..., "allocations": during all plans, "check": ...}.
#include <ashlar/core/random.hpp>
#include <ashlar/kv/block_table.hpp>
#include <ashlar/kv/plan.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace {
unsigned long long allocations = 0;
}
void* operator new(std::size_t size) {
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

using namespace ashlar;

namespace {
constexpr std::uint32_t blocks = kv::blocks_for(5000, 16);
constexpr kv::block_first<f16, kv::tokens<16>> layout{{.layers = 30, .kv_heads = 3, .head_dim = 64, .blocks = 2048}};

std::vector<block_run> runs_of(const char* how, std::uint64_t seed) {
    std::vector<std::uint32_t> ids(blocks);
    for (std::uint32_t i = 0; i < blocks; ++i) {
        ids[i] = std::strcmp(how, "alternate") == 0 ? 2 * i : std::strcmp(how, "pairs") == 0 ? i / 2 * 3 + i % 2 : i;
    }
    if (std::strcmp(how, "random") == 0) {
        random_stream random{.seed = seed};
        for (std::uint32_t i = blocks - 1; i; --i) std::swap(ids[i], ids[random.below(i + 1)]);
    }
    std::vector<block_run> storage(blocks);
    kv::block_table table(storage);
    for (std::uint32_t id : ids) (void)table.push({id, 1});
    storage.resize(table.runs().size());
    return storage;
}
} // namespace

int main(int count, char** arguments) {
    long plans = 100;
    const char* how = "alternate";
    bool baseline = false;
    for (int i = 1; i < count; ++i) {
        if (std::strcmp(arguments[i], "--baseline") == 0)
            baseline = true;
        else if (std::strcmp(arguments[i], "--fragments") == 0 && i + 1 < count)
            how = arguments[++i];
        else
            plans = std::atol(arguments[i]);
    }
    const bool both = std::strcmp(how, "both") == 0;
    const auto here = runs_of(both ? "random" : how, 1), there = runs_of(both ? "alternate" : "none", 2);
    unsigned long long sum = 0, descriptors = 0, bytes = 0;
    const auto before = allocations;
    for (long i = 0; i < plans; ++i) {
        const auto take = [&](const kv::strided& d) {
            sum += d.source ^ d.target;
            bytes += d.bytes * d.count;
            ++descriptors;
        };
        if (!baseline) {
            kv::plan({layout.strides(), here, 0}, {layout.strides(), there, 0}, layout.page_bytes(),
                     {static_cast<std::uint32_t>(i % 30), 1}, {0, blocks}, take);
        }
    }
    const auto made = allocations - before;
    if (!baseline && bytes != static_cast<unsigned long long>(plans) * blocks * layout.page_bytes()) return 1;
    std::printf("{\"runs\": %zu, \"descriptors\": %llu, \"allocations\": %llu, \"plans\": %ld, \"check\": %llu}\n",
                here.size(), plans && !baseline ? descriptors / static_cast<unsigned long long>(plans) : 0, made, plans,
                sum);
}
