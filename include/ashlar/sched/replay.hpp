// SPDX-License-Identifier: Apache-2.0
// Replay: the events of a log through a fresh scheduler must give the very actions that the log holds. That is the
// proof that the scheduler depends on nothing but (event, time), and the tool with which a production incident is run
// again.
//
//     result<sched::replay_report> r = sched::replay(bytes, [](const sched::pd_options& o) { return sched::pd<>(o); });
//     r.value().identical();   r.value().first_difference;
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/codec.hpp>
#include <ashlar/sched/log.hpp>

namespace ashlar::inline v0::sched {

struct replay_report {
    static constexpr std::uint64_t none = UINT64_MAX;
    std::uint64_t records = 0;
    std::uint64_t actions = 0;
    std::uint64_t first_difference = none; // index of the first record whose actions differ; the replay stops there
    bool truncated = false;                // the last record is cut short, as a killed writer leaves it
    bool identical() const { return first_difference == none; }
};

// `make(options)` gives the scheduler. corrupt: this is no log, or a record makes no sense.
template <class Make>
result<replay_report> replay(std::span<const std::byte> log, Make&& make) {
    log_reader in(log);
    if (!in.ok()) return {errc::corrupt, origin::sched};
    auto policy = make(in.options());
    actions said(policy.actions_max());
    fixed_array<std::byte> buffer(record_bytes_max(said.capacity()));
    replay_report report;
    while (const auto record = in.next()) {
        policy.step(record->what, record->now, said);
        byte_writer again({buffer.data(), buffer.size()});
        for (const action& a : said) encode(again, a);
        ++report.records;
        report.actions += said.size();
        const auto now = again.written(), then = record->action_bytes;
        const bool same = said.size() == record->action_count && now.size() == then.size() &&
                          (now.empty() || std::memcmp(now.data(), then.data(), now.size()) == 0);
        if (!same) {
            report.first_difference = report.records - 1;
            return report;
        }
    }
    if (!in.ok()) return {errc::corrupt, origin::sched};
    report.truncated = in.end() == log_end::truncated;
    return report;
}

} // namespace ashlar::inline v0::sched
