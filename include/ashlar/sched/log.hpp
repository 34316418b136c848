// SPDX-License-Identifier: Apache-2.0
// The scheduler's log: what it was told, when, and what it said. A head with the options, then records
//
//     u32 size of what follows | i64 now_ns | event | u32 count | count actions
//
// each complete or absent: a process that was killed leaves at most one record cut short, which readers tell from
// damage. No I/O here: the edge appends what these functions write.
//
//     byte_writer out(buffer);   sched::write_log_head(out, options);   sched::write_record(out, now, event, actions);
//     sched::log_reader in(bytes);   while (auto r = in.next()) use(*r);   in.end();   // clean, truncated or corrupt
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/codec.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/options.hpp>

namespace ashlar::inline v0::sched {

inline constexpr std::uint64_t log_magic = 0x676f6c72616c6873u; // "shlarlog" in memory order
inline constexpr std::uint32_t log_version = 3;
inline constexpr std::size_t log_head_bytes = 8 + 4 + 4 * 4 + 3 * 8 + 1;

// An encoded event or action is never larger than its struct and one byte.
constexpr std::size_t record_bytes_max(std::size_t action_count) {
    return 4 + 8 + 1 + sizeof(event) + 4 + action_count * (1 + sizeof(action));
}

inline void write_log_head(byte_writer& out, const pd_options& options) {
    out.put(log_magic);
    out.put(log_version);
    encode(out, options);
}

// All of the record or, when `out` is too small, out.ok() is false.
inline void write_record(byte_writer& out, instant now, const event& e, std::span<const action> said) {
    std::size_t size = 8 + 4 + encoded_size(e);
    for (const action& a : said) size += encoded_size(a);
    out.put(static_cast<std::uint32_t>(size));
    out.put(now.ns);
    encode(out, e);
    out.put(static_cast<std::uint32_t>(said.size()));
    for (const action& a : said) encode(out, a);
}

struct log_record {
    instant now;
    event what;
    std::uint32_t action_count = 0;
    std::span<const std::byte> action_bytes; // encoded one after the other
};

enum class log_end : std::uint8_t { clean, truncated, corrupt };

class log_reader {
public:
    explicit log_reader(std::span<const std::byte> bytes) : in_(bytes) {
        const bool head = in_.get<std::uint64_t>() == log_magic && in_.get<std::uint32_t>() == log_version &&
                          decode(in_, options_) && options_.sound();
        end_ = head ? log_end::clean : log_end::corrupt;
    }

    bool ok() const { return end_ != log_end::corrupt; } // the head made sense and so did every record so far
    const pd_options& options() const { return options_; }

    // Nothing at the end of the log, clean or not.
    std::optional<log_record> next() {
        if (end_ != log_end::clean || in_.left() == 0) return std::nullopt;
        const auto size = in_.get<std::uint32_t>();
        const auto body = in_.take(size);
        if (!in_.ok()) return end_ = log_end::truncated, std::nullopt;
        byte_reader one(body);
        log_record r;
        r.now.ns = one.get<std::int64_t>();
        const bool known = decode(one, r.what);
        r.action_count = one.get<std::uint32_t>();
        r.action_bytes = one.take(one.left());
        const bool later = r.now >= last_ && r.now < instant::never(); // a clock neither goes back nor reaches the end
        if (!known || !one.ok() || !later) return end_ = log_end::corrupt, std::nullopt;
        last_ = r.now;
        return r;
    }

    log_end end() const { return end_; }

private:
    byte_reader in_;
    pd_options options_{};
    instant last_{};
    log_end end_ = log_end::clean;
};

} // namespace ashlar::inline v0::sched
