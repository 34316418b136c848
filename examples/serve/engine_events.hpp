// SPDX-License-Identifier: Apache-2.0
// What engines say about requests becomes events of the scheduler; what clients see of it, and what is measured, is
// noted on the way, for what the scheduler will count and nothing else.
//
//     engine_events heard(steps, answers, numbers);   heard.hear(connection, frame);
#pragma once

#include "answers.hpp"
#include "engines.hpp"
#include "metrics.hpp"
#include "steps.hpp"
#include "wire.hpp"

namespace serve {

class engine_events {
public:
    engine_events(steps& to, answers& clients, metrics& numbers) : to_(to), clients_(clients), numbers_(numbers) {}
    void hear(engine_connection& from, wire::to_router& frame);

private:
    void said(engine_connection&, const wire::response&) {} // how they come to be heard is `engines`' business
    void said(engine_connection&, const wire::hello&) {}
    void said(engine_connection&, const wire::reopened&) {}
    void said(engine_connection& from, const wire::heartbeat& f);
    void said(engine_connection& from, wire::reserved& f);
    void said(engine_connection& from, const wire::reserve_failed& f);
    void said(engine_connection& from, const wire::token& f);
    void said(engine_connection& from, const wire::prompt_token& f);
    void said(engine_connection& from, const wire::item_failed& f);
    void said(engine_connection& from, const wire::batch_done& f);
    void said(engine_connection& from, const wire::transfer_done& f);
    void said(engine_connection& from, const wire::transfer_failed& f);
    template <class Event>
    void counted(const wire::token& f, Event e);

    steps& to_;
    answers& clients_;
    metrics& numbers_;
};

} // namespace serve
