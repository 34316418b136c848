// SPDX-License-Identifier: Apache-2.0
// A scheduler and its words, for tests that say every event themselves.
#pragma once

#include <vector>

#include <ashlar/sched.hpp>

namespace ashlar::test {

using namespace ashlar::sched;
using namespace ashlar::literals;

inline constexpr pd_options small_options{.request_limit = 8,
                                          .queue_limit = 4,
                                          .instance_limit = 4,
                                          .attempts_max = 2,
                                          .heartbeat_timeout = 500_ms,
                                          .deadline_max = 60_s,
                                          .retry_after = 1_s,
                                          .hold_unavailable = false};

struct small_world {
    pd<> policy;
    actions said;
    instant now{1'000'000'000};

    explicit small_world(const pd_options& options = small_options) : policy(options), said(policy.actions_max()) {}
    // What the step said, timers apart.
    std::vector<action> tell(const event& e) {
        policy.step(e, now, said);
        std::vector<action> out;
        for (const action& a : said) {
            if (!std::holds_alternative<set_timer>(a)) out.push_back(a);
        }
        return out;
    }
    // Prefill 1, decode 2: 10 blocks of 16 tokens, 8 tokens a batch.
    void pair() {
        (void)tell(instance_up{{1}, role::prefill, {11}, 10, 16, 8, 4});
        (void)tell(instance_up{{2}, role::decode, {12}, 10, 16, 8, 4});
    }
};

using said_list = std::vector<action>;

} // namespace ashlar::test
