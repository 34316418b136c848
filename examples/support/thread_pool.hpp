// SPDX-License-Identifier: Apache-2.0
// The threads that an engine hands to the kernels: models `ashlar::workers`. The calling thread works too, so a pool
// of N starts N - 1 threads. Between two calls the threads spin for at most 50 microseconds (a decode step asks every
// few), then they sleep in a futex; without work they cost nothing.
//
//     support::thread_pool pool(2);
//     pool.parallel_for(panels, [&](std::size_t i) { … });     // returns when all are done
//
// One caller at a time, and no call from inside a body. Whoever comes first takes the next index: which thread runs
// which index differs from run to run.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

#include <ashlar/core/assert.hpp>

namespace ashlar::support {

class thread_pool {
public:
    // `size` counts the caller; 0 is taken as 1.
    explicit thread_pool(std::size_t size) {
        for (std::size_t i = 1; i < size; ++i) threads_.emplace_back([this] { serve(); });
    }
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    ~thread_pool() {
        stop_.store(true, std::memory_order_relaxed);
        announce();
        for (auto& t : threads_) t.join();
    }

    std::size_t size() const { return threads_.size() + 1; }

    template <class Body>
    void parallel_for(std::size_t count, Body&& body) {
        ASHLAR_ASSERT(count <= UINT32_MAX);
        if (count <= 1 || threads_.empty()) {
            for (std::size_t i = 0; i < count; ++i) body(i);
            return;
        }
        using body_type = std::remove_reference_t<Body>;
        call_ = [](void* b, std::size_t i) { (*static_cast<body_type*>(b))(i); };
        body_ = const_cast<void*>(static_cast<const void*>(&body));
        count_ = static_cast<std::uint32_t>(count);
        done_.store(0, std::memory_order_relaxed);
        // A thread that still holds the last job's round cannot take an index of this one: the round differs.
        const std::uint64_t round = (tasks_.load(std::memory_order_relaxed) >> 32) + 1;
        tasks_.store(round << 32 | count_, std::memory_order_release);
        announce();
        work();
        wait(done_, waiting_, [&](std::uint32_t done) { return done == count_; });
    }

private:
    static constexpr std::int64_t spin_ns = 50'000;
    using futex_word = std::atomic<std::uint32_t>;
    static_assert(sizeof(futex_word) == 4 && futex_word::is_always_lock_free);

    static std::int64_t now_ns() {
        timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
    }
    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }

    // Returns once ready(word), having spun for 50 microseconds at most. `sleepers` tells the other side to wake us;
    // both sides first write their own word, then read the other's (seq_cst), so that one of them sees the other.
    template <class Ready>
    static void wait(futex_word& word, futex_word& sleepers, Ready&& ready) {
        const std::int64_t until = now_ns() + spin_ns;
        do {
            for (int i = 0; i < 64; ++i, pause()) {
                if (ready(word.load(std::memory_order_acquire))) return;
            }
        } while (now_ns() < until);
        sleepers.fetch_add(1);
        for (std::uint32_t seen = word.load(); !ready(seen); seen = word.load()) {
            syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
        }
        sleepers.fetch_sub(1);
    }
    static void wake(futex_word& word, futex_word& sleepers) {
        if (sleepers.load() > 0) syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    }

    void announce() {
        bell_.fetch_add(1);
        wake(bell_, sleeping_);
    }

    void serve() {
        for (std::uint32_t heard = 0;;) {
            wait(bell_, sleeping_, [&](std::uint32_t bell) { return bell != heard; });
            heard = bell_.load(std::memory_order_acquire);
            if (stop_.load(std::memory_order_relaxed)) return;
            work();
        }
    }

    // Takes indices while there are any. Having one keeps the job's fields in place: the caller waits for it.
    void work() {
        std::uint64_t tasks = tasks_.load(std::memory_order_acquire);
        while (static_cast<std::uint32_t>(tasks) > 0) {
            if (!tasks_.compare_exchange_weak(tasks, tasks - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
                continue;
            }
            const std::uint32_t count = count_;
            call_(body_, count - static_cast<std::uint32_t>(tasks));
            if (done_.fetch_add(1) + 1 == count) wake(done_, waiting_);
            tasks = tasks_.load(std::memory_order_acquire);
        }
    }

    // What is being done; written by the caller between jobs only.
    void (*call_)(void*, std::size_t) = nullptr;
    void* body_ = nullptr;
    std::uint32_t count_ = 0;

    alignas(64) std::atomic<std::uint64_t> tasks_{0}; // round << 32 | indices left
    alignas(64) futex_word done_{0};
    futex_word waiting_{0};
    alignas(64) futex_word bell_{0};
    futex_word sleeping_{0};
    std::atomic<bool> stop_{false};
    std::vector<std::thread> threads_;
};

} // namespace ashlar::support
