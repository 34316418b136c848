// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/admission.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::sched;

TEST_CASE("each way of not being served has its own refusal") {
    const arrival good{.prompt_tokens = 5,
                       .max_tokens = 5,
                       .live = 1,
                       .request_limit = 4,
                       .waiting = 0,
                       .queue_limit = 2,
                       .members = 1,
                       .draining = false,
                       .covered = true,
                       .could_fit = true,
                       .hold = false,
                       .retry_after = {1000}};
    const auto with = [&](auto change) {
        arrival a = good;
        change(a);
        return bounded_admission{}.judge(a);
    };
    CHECK(bounded_admission{}.judge(good) == std::nullopt);
    CHECK(bounded_admission{}.retry_after(good) == duration{1000});
    CHECK(with([](arrival& a) { a.prompt_tokens = 0; }) == reject_reason::invalid);
    CHECK(with([](arrival& a) { a.max_tokens = 0; }) == reject_reason::invalid);
    CHECK(with([](arrival& a) { a.max_tokens = UINT32_MAX; }) == reject_reason::too_long);
    CHECK(with([](arrival& a) { a.could_fit = false; }) == reject_reason::too_long);
    CHECK(with([](arrival& a) { a.draining = true; }) == reject_reason::draining);
    CHECK(with([](arrival& a) { a.covered = false; }) == reject_reason::unavailable);
    CHECK(with([](arrival& a) { a.covered = false, a.hold = true; }) == std::nullopt);
    CHECK(with([](arrival& a) { a.live = 4; }) == reject_reason::overloaded);
    CHECK(with([](arrival& a) { a.waiting = 2; }) == reject_reason::overloaded);
    CHECK(with([](arrival& a) { a.members = 0; }) == reject_reason::invalid);
    CHECK(with([](arrival& a) { a.members = 2; }) == std::nullopt);
    CHECK(with([](arrival& a) { a.waiting = 1, a.members = 2; }) == reject_reason::overloaded);
    CHECK(with([](arrival& a) { a.live = 3, a.members = 2; }) == reject_reason::overloaded);
    CHECK(with([](arrival& a) { a.members = 3; }) == reject_reason::too_many);
}
