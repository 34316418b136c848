// SPDX-License-Identifier: Apache-2.0
// The two ends of a world that the contract is tried on, and what its cases do with them. contract.hpp says what a
// world is. Every wait ends: after `patience` a test fails.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/fabric/concepts.hpp>

namespace ashlar::contract {

using namespace fabric;
inline constexpr std::chrono::seconds patience{20};

// One end: its endpoint, its memory, and everything that poll has told it so far.
template <class F>
struct side {
    F& net;
    std::span<std::byte> bytes;
    region mine{};
    peer_id other{};
    std::map<op*, int> completed{};
    std::multiset<std::uint32_t> immediates{};
    std::vector<std::vector<std::byte>> messages{};
    std::vector<peer_id> message_peers{};
    std::vector<completion> downs{};

    std::size_t poll(std::size_t most = 16) {
        std::vector<completion> out(most);
        const std::size_t n = net.poll(out);
        if (n > most) FAIL("poll filled more than it was given");
        for (std::size_t i = 0; i < n; ++i) {
            const completion& c = out[i];
            switch (c.what) {
            case completion::kind::operation:
                REQUIRE(c.operation != nullptr);
                REQUIRE((c.operation->status == op_status::done || c.operation->status == op_status::failed));
                if (c.operation->status == op_status::failed) CHECK(c.operation->fault == c.fault);
                ++completed[c.operation];
                break;
            case completion::kind::immediate:
                immediates.insert(c.immediate);
                break;
            case completion::kind::message:
                messages.emplace_back(c.message.begin(), c.message.end());
                message_peers.push_back(c.peer);
                break;
            case completion::kind::peer_down:
                downs.push_back(c);
                break;
            }
        }
        return n;
    }
};

template <class World>
class kit {
public:
    using F = std::remove_reference_t<decltype(std::declval<World&>().a())>;
    static_assert(check_fabric<F>());
    static constexpr std::size_t size = std::size_t{3} << 20;

    explicit kit(std::unique_ptr<World> w)
        : world(std::move(w)), a{world->a(), world->memory(world->a(), size)},
          b{world->b(), world->memory(world->b(), size)} {
        for (side<F>* s : {&a, &b}) {
            REQUIRE(s->bytes.size() == size);
            const auto r = s->net.register_memory({s->bytes.data(), size, memory_kind::host});
            REQUIRE(r);
            s->mine = *r;
        }
        meet();
    }

    void meet() {
        const auto to_b = a.net.connect(b.net.address());
        const auto to_a = b.net.connect(a.net.address());
        REQUIRE(to_b);
        REQUIRE(to_a);
        a.other = *to_b;
        b.other = *to_a;
    }

    // Polls both ends until `ready()`; false when patience ended.
    template <class Ready>
    bool until(Ready&& ready) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!ready()) {
            if (a.poll() + (b_lives ? b.poll() : 0) == 0) {
                if constexpr (requires { world->idle(); })
                    world->idle();
                else
                    std::this_thread::yield();
            }
            if (std::chrono::steady_clock::now() > end) return false;
        }
        return true;
    }
    // Retries while the queue is full, as every user must.
    template <class Post>
    result<void> insist(Post&& post) {
        result<void> r = post();
        until([&] { return r || r.error().code != errc::again || (r = post(), r || r.error().code != errc::again); });
        return r;
    }
    bool finish(op& o, int times = 1) {
        return until([&] { return a.completed[&o] + b.completed[&o] >= times; });
    }
    // An op that was never used: completions are counted by address.
    op& fresh() { return ops.emplace_back(); }
    // After everything has settled nothing more may come.
    void settle() {
        for (int i = 0; i < 200; ++i) {
            a.poll();
            if (b_lives) b.poll();
            if constexpr (requires { world->idle(); }) world->idle();
        }
    }

    void fill(std::span<std::byte> bytes, std::uint64_t seed) {
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::byte>(mix(seed * 0x10001 + i / 8) >> i % 8 * 8);
    }
    bool arrived(std::size_t from, std::size_t to, std::size_t n) const {
        return std::memcmp(a.bytes.data() + from, b.bytes.data() + to, n) == 0;
    }
    bool zero(std::size_t at, std::size_t n) const {
        for (std::size_t i = at; i < at + n; ++i) {
            if (b.bytes[i] != std::byte{}) return false;
        }
        return true;
    }
    result<void> write(op& o, std::size_t from, std::size_t to, std::size_t n, std::uint32_t immediate) {
        return insist([&] { return a.net.write(a.other, {&a.mine, from, n}, {b.mine.remote, to}, immediate, o); });
    }
    // One small write each way, so that both ends know that the line works.
    void exchange() {
        op &there = fresh(), &back = fresh();
        const std::size_t before_a = a.immediates.size(), before_b = b.immediates.size();
        REQUIRE(write(there, 0, 0, 8, 0xaa));
        REQUIRE(insist([&] { return b.net.write(b.other, {&b.mine, 64, 8}, {a.mine.remote, 64}, 0xbb, back); }));
        REQUIRE(until([&] {
            return a.completed[&there] == 1 && b.completed[&back] == 1 && a.immediates.size() > before_a &&
                   b.immediates.size() > before_b;
        }));
        CHECK(there.status == op_status::done);
        CHECK(back.status == op_status::done);
    }

    std::unique_ptr<World> world;
    std::deque<op> ops;
    side<F> a, b;
    bool b_lives = true;
};

} // namespace ashlar::contract
