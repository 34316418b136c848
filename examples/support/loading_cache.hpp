// SPDX-License-Identifier: Apache-2.0
// A loading cache: what takes long to make of a text is made once, by a thread of its own, and kept while there is
// room, the last used longest. Who asks goes on meanwhile and looks again later.
//
//     support::loading_cache<verdict> kept({.bytes_max = 16 << 20, .waiting_max = 16}, random_key());
//     auto asked = kept.find(text);
//     if (!asked) asked = kept.load(text, [text] { return {judge(text), bytes}; });   // still none: too many wait
//     ...
//     if (const verdict* made = asked.ready()) use(*made);
//
// What everybody has let go of before its turn is not made; what is being made is made to its end and kept, whoever is
// left. Loads run one at a time, in the order they came, and must not throw. All calls come from one thread; a value is
// that thread's once it is ready, and its destructor may run on either.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ashlar/core/siphash.hpp>

namespace ashlar::support {

struct loading_limits {
    std::size_t bytes_max;   // of what is kept, as its loads say; the last one is kept however large
    std::size_t waiting_max; // texts whose turn has not come
};

template <class Value>
class loading_cache {
public:
    struct loaded {
        Value value;
        std::size_t bytes;
    };
    using load_function = std::function<loaded()>;

private:
    struct entry {
        digest128 key;
        load_function load;
        std::optional<loaded> made{};
        std::atomic<bool> ready = false; // `made` is there, for good
    };

public:
    class asked { // what was asked for, wherever it is; holding it keeps it wanted
    public:
        asked() = default;
        explicit operator bool() const { return of_ != nullptr; }
        Value* ready() const { return of_ && of_->ready.load(std::memory_order_acquire) ? &of_->made->value : nullptr; }

    private:
        friend class loading_cache;
        explicit asked(std::shared_ptr<entry> of) : of_(std::move(of)) {}
        std::shared_ptr<entry> of_;
    };

    // `made`: called on the cache's thread whenever something has become ready. The key is a secret, so that nobody can
    // aim at somebody else's entry.
    loading_cache(loading_limits limits, key128 key, std::function<void()> made = {})
        : limits_(limits), key_(key), made_(std::move(made)) {}
    loading_cache(const loading_cache&) = delete;
    loading_cache& operator=(const loading_cache&) = delete;
    ~loading_cache() { // waits for the load that is running
        if (!thread_.joinable()) return;
        {
            const std::lock_guard hold(mutex_);
            stop_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }

    // Empty: nobody has asked for it, or it has been forgotten.
    asked find(std::string_view text) { return find(digest(text)); }

    // Empty: too many wait.
    asked load(std::string_view text, load_function work) {
        const digest128 key = digest(text);
        if (asked there = find(key)) return there;
        std::erase_if(pending_, [](const auto& each) { return each.second.expired(); });
        auto made = std::make_shared<entry>();
        made->key = key;
        made->load = std::move(work);
        {
            const std::lock_guard hold(mutex_);
            if (waiting_.size() >= limits_.waiting_max)
                std::erase_if(waiting_, [](const auto& each) { return each.expired(); });
            if (waiting_.size() >= limits_.waiting_max) return {};
            waiting_.push_back(made);
        }
        pending_.emplace(key, made);
        if (!thread_.joinable()) thread_ = std::thread([this] { work_off(); });
        wake_.notify_one();
        return asked(std::move(made));
    }

    std::uint64_t loads() const { return loads_.load(std::memory_order_relaxed); } // begun so far
    std::size_t bytes() const { return bytes_; }                                   // kept, as of the last call

private:
    struct low_word { // of a keyed digest: as good as random
        std::size_t operator()(digest128 key) const { return static_cast<std::size_t>(key.lo); }
    };

    digest128 digest(std::string_view text) const { return siphash128(key_, std::as_bytes(std::span(text))); }

    asked find(digest128 key) {
        take_in();
        if (const auto it = where_.find(key); it != where_.end()) {
            kept_.splice(kept_.begin(), kept_, it->second);
            return asked(kept_.front());
        }
        const auto it = pending_.find(key);
        return it == pending_.end() ? asked() : asked(it->second.lock());
    }

    // What has been made since the last time.
    void take_in() {
        std::vector<std::shared_ptr<entry>> fresh;
        {
            const std::lock_guard hold(mutex_);
            fresh.swap(fresh_);
        }
        for (auto& each : fresh) {
            pending_.erase(each->key);
            for (bytes_ += each->made->bytes; bytes_ > limits_.bytes_max && !kept_.empty(); kept_.pop_back()) {
                bytes_ -= kept_.back()->made->bytes;
                where_.erase(kept_.back()->key);
            }
            kept_.push_front(std::move(each));
            where_[kept_.front()->key] = kept_.begin();
        }
    }

    void work_off() {
        for (;;) {
            std::shared_ptr<entry> next;
            {
                std::unique_lock hold(mutex_);
                wake_.wait(hold, [this] { return stop_ || !waiting_.empty(); });
                if (stop_) return;
                next = waiting_.front().lock();
                waiting_.pop_front();
            }
            if (!next) continue;
            loads_.fetch_add(1, std::memory_order_relaxed);
            next->made.emplace(next->load());
            next->load = nullptr;
            next->ready.store(true, std::memory_order_release);
            {
                const std::lock_guard hold(mutex_);
                fresh_.push_back(std::move(next));
            }
            if (made_) made_();
        }
    }

    const loading_limits limits_;
    const key128 key_;
    const std::function<void()> made_;

    std::list<std::shared_ptr<entry>> kept_; // the last used first
    std::unordered_map<digest128, typename std::list<std::shared_ptr<entry>>::iterator, low_word> where_;
    std::unordered_map<digest128, std::weak_ptr<entry>, low_word> pending_;
    std::size_t bytes_ = 0;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::weak_ptr<entry>> waiting_;
    std::vector<std::shared_ptr<entry>> fresh_;
    bool stop_ = false;
    std::atomic<std::uint64_t> loads_ = 0;
    std::thread thread_;
};

} // namespace ashlar::support
