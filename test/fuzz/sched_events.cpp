// SPDX-License-Identifier: Apache-2.0
// Any sequence of events, however senseless, must leave the scheduler sound: the input is the body of a log, read as
// (time step, event) pairs. And any bytes must be safe to replay.
#include <cstdint>
#include <cstdlib>
#include <span>

#include <ashlar/sched.hpp>

using namespace ashlar;
using namespace ashlar::literals;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    sched::pd<> policy({.request_limit = 6,
                        .queue_limit = 3,
                        .instance_limit = 3,
                        .attempts_max = 2,
                        .heartbeat_timeout = 500_ms,
                        .deadline_max = 5_s,
                        .retry_after = 1_s,
                        .hold_unavailable = false});
    sched::actions said(policy.actions_max());
    instant now{};
    byte_reader in(bytes);
    while (in.ok() && in.left() > 0) {
        now = now + duration{std::int64_t{in.get<std::uint8_t>()} * 10'000'000};
        sched::event e;
        if (!sched::decode(in, e)) break;
        policy.step(e, now, said);
        if (!sched::broken_invariant(policy).empty()) std::abort();
    }

    sched::log_reader log(bytes);
    if (!log.ok() || log.options().request_limit > 64 || log.options().instance_limit > 64) return 0;
    (void)sched::replay(bytes, [](const sched::pd_options& o) { return sched::pd<>(o); });
    return 0;
}
