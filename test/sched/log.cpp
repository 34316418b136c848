// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/log.hpp>

#include <array>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("a log gives back its options and records; one cut short says so and keeps what is whole") {
    std::array<std::byte, 512> buffer{};
    byte_writer out(buffer);
    write_log_head(out, small_options);
    CHECK(out.size() == log_head_bytes);
    const action said[] = {release{{7}, 1, {2}}, fail{{7}, {errc::cancelled, origin::sched, 0}}};
    write_record(out, {5}, cancel{{7}}, said);
    const std::size_t one = out.size();
    write_record(out, {6}, tick{}, {});
    for (std::size_t n = 0; n <= out.size(); ++n) {
        log_reader in(out.written().first(n));
        CHECK(in.ok() == (n >= log_head_bytes));
        int records = 0;
        while (const auto r = in.next()) {
            if (records++ > 0) continue;
            CHECK(in.options() == small_options);
            CHECK(r->now.ns == 5);
            CHECK(r->what == event{cancel{{7}}});
            CHECK(r->action_count == 2);
        }
        CHECK(records == (n == out.size() ? 2 : n >= one ? 1 : 0));
        const bool whole = n == log_head_bytes || n == one || n == out.size();
        CHECK(in.end() == (n < log_head_bytes ? log_end::corrupt : whole ? log_end::clean : log_end::truncated));
    }
}

TEST_CASE("a record that makes no sense is damage, not an end") {
    std::array<std::byte, 512> buffer{};
    byte_writer out(buffer);
    write_log_head(out, small_options);
    write_record(out, {5}, tick{}, {});
    buffer[log_head_bytes + 12] = std::byte{200}; // no such event
    log_reader in(out.written());
    CHECK(!in.next());
    CHECK(in.end() == log_end::corrupt);
    CHECK_FALSE(in.ok());
}

TEST_CASE("a clock that goes back, starts before zero or stands at never is damage") {
    const std::int64_t clocks[][2] = {{5, 4}, {-1, 0}, {0, INT64_MIN}, {INT64_MAX, INT64_MAX}, {5, INT64_MAX}};
    for (const auto& [first, second] : clocks) {
        std::array<std::byte, 512> buffer{};
        byte_writer out(buffer);
        write_log_head(out, small_options);
        write_record(out, {first}, tick{}, {});
        write_record(out, {second}, tick{}, {});
        log_reader in(out.written());
        while (in.next()) continue;
        CHECK(in.end() == log_end::corrupt);
    }
}
