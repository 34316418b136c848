// SPDX-License-Identifier: Apache-2.0
// Tutorial 4: a scheduler is a value. It is told what happened and says what to do; the clock and the engines are ours.
#include <cstdio>
#include <cstdlib>
#include <variant>

#include <ashlar/sched.hpp>

namespace al = ashlar;
namespace sched = ashlar::sched;
using namespace ashlar::literals;

//! [edge]
// An edge that only prints: a server sends frames here instead.
void apply(const sched::actions& said) {
    for (const sched::action& one : said) {
        if (const auto* a = std::get_if<sched::reserve>(&one))
            std::printf("  reserve %u tokens on engine %u\n", a->capacity_tokens, a->instance.value);
        if (const auto* a = std::get_if<sched::launch_batch>(&one))
            std::printf("  engine %u computes a batch of %u tokens\n", a->instance.value, a->tokens);
        if (const auto* a = std::get_if<sched::finish>(&one)) std::printf("  done after %u tokens\n", a->tokens);
    }
}
//! [edge]

int main() {
    //! [step]
    sched::pd<> policy{{.request_limit = 16, .queue_limit = 8, .instance_limit = 4, .attempts_max = 3,
                        .heartbeat_timeout = 500_ms, .deadline_max = 60_s, .retry_after = 1_s,
                        .hold_unavailable = false}};
    sched::actions said(policy.actions_max());
    al::instant now{}; // time is an argument: a replay or a simulator passes its own

    const auto tell = [&](const char* what, const sched::event& e) {
        std::printf("%s\n", what);
        policy.step(e, now = now + 1_ms, said);
        apply(said);
    };
    tell("an engine is up", sched::instance_up{.instance = {1}, .as = sched::role::unified, .epoch = {42},
                                               .blocks_total = 64, .tokens_per_block = 16, .batch_tokens_max = 128,
                                               .sequences_max = 8});
    tell("a request", sched::arrive{.request = {7}, .prompt_tokens = 200, .max_tokens = 2});
    tell("it has room", sched::reserved{{7}, 1, {1}, /*cached_tokens=*/0});
    tell("first chunk done", sched::batch_done{{1}, {1}});
    tell("first token", sched::prefill_done{{7}, 1, {1}, {2}});
    tell("batch over", sched::batch_done{{1}, {2}});
    tell("second token", sched::token{{7}, 1, {1}, {3}});
    //! [step]
    for (const sched::action& one : said) {
        if (const auto* a = std::get_if<sched::finish>(&one)) return a->tokens == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return EXIT_FAILURE;
}
