// SPDX-License-Identifier: Apache-2.0
// A whole serving fleet in virtual time: the real sched::pd between clients that arrive, cancel and stop, and engines
// that compute, refuse, lose transfers, hang, die and come back, all by seed. After every step the scheduler's
// invariants are checked, and each engine checks what it is told. `problem()` is empty when nothing was wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/core/trace.hpp>
#include <ashlar/sched.hpp>
#include <ashlar/sim/timeline.hpp>

namespace ashlar::scenario {

using namespace ashlar::literals;

class serving {
public:
    // `calm`: no faults of engines; clients still cancel.
    explicit serving(std::uint64_t seed, bool calm = false);

    void run();

    const std::string& problem() const { return problem_; }
    trace_hash trace() const { return trace_; }
    std::span<const std::byte> log() const { return log_; }
    std::uint64_t steps() const { return steps_; }
    std::uint64_t finished() const { return finished_; }
    std::uint64_t failed() const { return failed_; }
    std::uint64_t rejected() const { return rejected_; }
    std::uint64_t retried() const { return retried_; }

private:
    static constexpr instant horizon{120'000'000'000};
    static constexpr std::uint32_t tokens_per_block = 4;

    struct sequence {
        std::uint32_t attempt = 0;
        sched::role as{};
        std::uint32_t context = 0, capacity = 0, computed = 0, blocks = 0;
    };
    struct engine {
        instance_id id{};
        sched::role as{};
        epoch_id epoch{};
        bool up = false;    // the process runs
        bool hangs = false; // it runs and says nothing
        std::uint32_t blocks = 0, blocks_free = 0, batch_tokens = 0, sequences = 0;
        instant busy_until{}; // computing
        std::deque<std::vector<sched::action>> inbox{};
        instant spoke_until{}; // events of one engine arrive in order
        instant told_until{};  // so do its orders
        std::map<std::uint64_t, sequence> open{};
        std::uint64_t batch = 0; // being collected or computed
    };
    struct client {
        std::uint32_t prompt = 0, max_tokens = 0, tokens = 0, stop_at = 0;
        instant deadline{};
        std::size_t group = 0;     // its first member
        bool follows = false;      // has that one's prompt
        bool group_failed = false; // of a first member: one of them
        bool arrived = false;
        int ends = 0;
    };
    // What can be under way. Orders and words carry the epoch: they die with the process they are for or from.
    struct client_word {
        sched::event what{};
    };
    struct engine_word {
        std::size_t from = 0;
        epoch_id epoch{};
        sched::event what{};
    };
    struct engine_order {
        std::size_t to = 0;
        epoch_id epoch{};
        std::vector<sched::action> what{};
    };
    struct fault {
        enum { kill, hang, start, beat, closed } what{};
        std::size_t at = 0;
        epoch_id epoch{};
    };
    struct timer {
        instant at{};
    };
    using happening = std::variant<client_word, engine_word, engine_order, fault, timer>;

    void fail(std::string what) {
        if (problem_.empty()) problem_ = "seed " + std::to_string(seed_) + ": " + std::move(what);
    }
    bool chance(float p) { return random_.chance(p); }
    std::uint32_t between(std::uint32_t low, std::uint32_t high) {
        return low + static_cast<std::uint32_t>(random_.below(high - low + 1));
    }
    duration wait(std::int64_t least_us, std::int64_t most_us) {
        return {1000 * (least_us +
                        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most_us - least_us + 1))))};
    }

    // ---- of serving_edge.cpp: clients, and the edge around the scheduler
    sched::pd_options make_options();
    void make_clients();
    void step(const sched::event& e);
    void tell(instance_id to, std::vector<sched::action> what);
    client* ending(request_id r);
    void group_fails(client* c);
    void act(const sched::reject& a);
    void act(const sched::finish& a);
    void act(const sched::fail& a);
    void act(const sched::retry& a);
    void act(const sched::reserve& a);
    void act(const sched::release& a);
    void act(const sched::instance_lost& a);
    void act(const sched::set_timer& a);
    void act(const sched::drained&);
    void act(const sched::launch_batch&);
    void act(const sched::batch_item&);
    void handle(timer&);
    void handle(client_word& w);
    void handle(engine_word& w);
    bool idle() const;
    void check_end();
    template <class Event>
    void count_token(const Event& e);

    // ---- of serving_engines.cpp
    void make_fleet();
    void say(std::size_t from, const sched::event& e, instant at);
    void die(std::size_t i, bool silently);
    void handle(fault& f);
    void handle(engine_order& o);
    void open(std::size_t at, const sched::reserve& r);
    void close(std::size_t at, const sched::release& r);
    void compute(std::size_t at, const sched::launch_batch& l, const std::vector<sched::action>& what);
    void hand_over(std::size_t from, const sched::batch_item& item);

    std::uint64_t seed_;
    random_stream random_;
    bool calm_;
    sched::pd<> policy_;
    sched::actions said_;
    sim::timeline<happening> later_{4096};
    std::vector<engine> engines_;
    std::vector<client> clients_;
    std::map<std::uint32_t, epoch_id> told_epoch_;
    std::vector<std::byte> log_;
    trace_hash trace_;
    std::string problem_;
    instant quiet_since_{};
    std::uint64_t steps_ = 0, finished_ = 0, failed_ = 0, rejected_ = 0, retried_ = 0, epochs_ = 0;
};

} // namespace ashlar::scenario
