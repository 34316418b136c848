// SPDX-License-Identifier: Apache-2.0
#include "answers.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include <spdlog/spdlog.h>

#include "clock.hpp"
#include "link.hpp"
#include "settings.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;

api_error words_for(sched::reject_reason reason) {
    switch (reason) {
    case sched::reject_reason::overloaded:
        return {429, "this server is busy: its queue is full; try again in a moment", "", "rate_limit_error",
                "overloaded"};
    case sched::reject_reason::unavailable:
        return {503, "no engine is up for this request; try again in a moment", "", "server_error", "unavailable"};
    case sched::reject_reason::draining:
        return {503, "this server is shutting down", "", "server_error", "shutting_down"};
    case sched::reject_reason::too_long:
        return {400,
                "prompt and max_tokens together need more KV cache than an engine has; ask for fewer tokens or start "
                "the server with a larger --pool-mib",
                "max_tokens", "invalid_request_error", "context_length_exceeded"};
    case sched::reject_reason::too_many:
        return {400,
                "'n' times the number of prompts is more than this server takes at a time; ask for fewer or start it "
                "with a larger --request-limit and --queue-limit"};
    case sched::reject_reason::invalid:
        return {400, "the prompt is empty, or nothing is to be generated", "prompt"};
    case sched::reject_reason::cancelled:
        break;
    }
    return {500, "the request was refused", "", "server_error"};
}

namespace {

api_error words_for(const al::error& fault) {
    api_error said{503, {}, "", "server_error", std::string(al::to_string(fault.code))};
    std::replace(said.code.begin(), said.code.end(), ' ', '_');
    switch (fault.code) {
    case al::errc::timed_out:
        said.status = 504, said.message = "the request took longer than this server allows (--timeout)";
        break;
    case al::errc::peer_down:
        said.message = "an engine went down while it worked on this request; try again", said.code = "engine_down";
        break;
    case al::errc::closed:
        return serve::words_for(sched::reject_reason::draining);
    case al::errc::exhausted:
        said.message = "an engine ran out of room; try again in a moment";
        break;
    case al::errc::unsupported:
        said.status = 400, said.type = "invalid_request_error", said.code = "unsupported_grammar";
        said.message = "the grammar cannot be followed any further: it is too ambiguous here, or no token of the model "
                       "goes on with it";
        break;
    default:
        said.status = 500;
        said.message = "the request failed: " + std::string(al::to_string(fault.code)) + " (" +
                       std::string(al::to_string(fault.from)) + ")";
    }
    return said;
}

std::string call_id() {
    char text[32];
    std::snprintf(text, sizeof text, "call_%016llx", static_cast<unsigned long long>(random_word()));
    return text;
}

std::vector<wire::prompt_token>& chances_of(const sequence& s) {
    auto& all = s.of->prompt_chances;
    const std::size_t prompt = s.index / s.of->want.n;
    if (all.size() <= prompt) all.resize(prompt + 1);
    return all[prompt];
}

std::span<const wire::chance> likeliest(const wire::prompt_token& of, std::size_t count) {
    return std::span(of.top).first(std::min(of.top.size(), count));
}

} // namespace

answers::answers(const vocabulary& words, metrics& numbers, bool prefix_caching, told tell)
    : words_(words), numbers_(numbers), prefix_caching_(prefix_caching), tell_(std::move(tell)),
      next_request_((random_word() & 0xffffffffu) << 20) {}

void answers::begin(const std::shared_ptr<job>& of, std::vector<std::unique_ptr<sequence>> choices) {
    of->out->on_gone = [this, weak = std::weak_ptr(of)] {
        const auto gone = weak.lock();
        if (!gone || std::exchange(gone->over, true) || gone->open.empty()) return;
        tell_(sched::cancel{gone->open.front()}); // and with it its whole group
    };
    std::vector<sched::arrive> arrivals;
    const al::request_id first{next_request_};
    const std::uint32_t n = of->want.n;
    const bool first_scores = of->want.echo && of->want.logprobs; // the prompt, which each choice shows
    for (auto& s : choices) {
        s->id = {next_request_++};
        s->of = of;
        s->arrived = monotonic();
        const auto behind = static_cast<std::uint32_t>(choices.size() - arrivals.size());
        const bool waits = (prefix_caching_ && s->prompt_tokens > tokens_per_block) || first_scores;
        const std::uint32_t number = s->index % n;
        arrivals.push_back({.request = s->id,
                            .prompt_tokens = s->prompt_tokens,
                            .max_tokens = s->max_tokens,
                            .group = arrivals.empty() ? al::request_id{} : first,
                            .members = behind,
                            .prompt_of = waits && number > 0 ? of->open[s->index - number] : al::request_id{}});
        numbers_.request_began(s->prompt_tokens, s->max_tokens, n);
        of->open.push_back(s->id);
        sequences_.emplace(s->id.value, std::move(s));
    }
    for (const auto& each : arrivals) tell_(each);
}

sequence* answers::find(al::request_id id) const {
    const auto it = sequences_.find(id.value);
    return it == sequences_.end() ? nullptr : it->second.get();
}

std::unique_ptr<sequence> answers::take(al::request_id id) {
    const auto it = sequences_.find(id.value);
    if (it == sequences_.end()) return nullptr;
    auto s = std::move(it->second);
    sequences_.erase(it);
    std::erase(s->of->open, id);
    return s;
}

// ---- ends

void answers::apply(const sched::reject& a) {
    const auto s = take(a.request);
    if (!s) return;
    api_error fault = words_for(a.reason);
    if (a.reason == sched::reject_reason::too_many) fault.param = s->of->want.n > 1 ? "n" : "prompt";
    http_headers headers;
    if (fault.status != 400)
        headers.emplace_back(
            "Retry-After", std::to_string(std::max<std::int64_t>(1, (a.retry_after.ns + 999'999'999) / 1'000'000'000)));
    end_job(*s->of, fault, std::move(headers));
}

void answers::apply(const sched::finish& a) {
    const auto s = take(a.request);
    if (!s) return;
    const char* reason = a.reason == sched::finish_reason::stop ? "stop" : "length";
    measure_end(*s, reason, a.tokens);
    job& of = *s->of;
    if (!of.want.score_only) of.used.completion_tokens += a.tokens;
    s->text.flush();
    choice part{.index = s->index, .text = s->text.take(), .records = {}, .finish_reason = reason};
    if (s->calls) {
        s->calls->push(part.text);
        s->calls->finish();
        split_calls(*s, part);
        if (s->calls->ends_with_a_call()) part.finish_reason = "tool_calls";
    }
    if (of.want.stream) {
        send(*s, part);
    } else {
        part.text = s->whole + part.text;
        part.calls = std::move(s->whole_calls);
        part.records = std::move(s->records);
        of.done.push_back(std::move(part));
    }
    if (of.open.empty()) complete(of);
}

void answers::apply(const sched::fail& a) {
    const auto s = take(a.request);
    if (!s) return;
    const bool cancelled = a.fault.code == al::errc::cancelled;
    measure_end(*s, cancelled ? "abort" : "error", static_cast<std::uint32_t>(s->tokens.size()) - s->prompt_tokens);
    const api_error fault = words_for(a.fault);
    if (!cancelled) spdlog::warn("request {}: {}", s->of->head.id, fault.message);
    end_job(*s->of, fault);
}

void answers::measure_end(const sequence& s, const char* reason, std::uint32_t generated) {
    const al::instant now = monotonic();
    const al::instant batched = s.batched == al::instant{} ? now : s.batched,
                      first = s.first == al::instant{} ? now : s.first;
    numbers_.request_ended(reason, generated, seconds(now - s.arrived), seconds(first - batched), seconds(now - first));
}

void answers::complete(job& of) {
    if (std::exchange(of.over, true)) return;
    if (of.want.stream) {
        if (of.want.include_usage) of.out->send(usage_event(of.head, of.used));
        of.out->send(done_event);
        return of.out->finish();
    }
    std::sort(of.done.begin(), of.done.end(), [](const choice& a, const choice& b) { return a.index < b.index; });
    of.out->reply(200, "application/json", whole_answer(of.head, of.done, of.used, of.scores), of.headers);
}

// One choice cannot be had: the whole answer cannot. The first reason is told.
void answers::end_job(job& of, const api_error& fault, http_headers headers) {
    if (std::exchange(of.over, true)) return;
    if (of.begun) {
        of.out->send(error_event(fault));
        return of.out->abort();
    }
    headers.insert(headers.end(), of.headers.begin(), of.headers.end());
    refuse(*of.out, fault, headers);
}

void answers::refuse(exchange& out, const api_error& fault, const http_headers& headers) {
    numbers_.refused(fault.status);
    out.reply(fault.status, "application/json", error_body(fault), headers);
}

// ---- tokens become text

void answers::note(sequence& s, const wire::prompt_token& f) {
    if (f.position == 0 || f.position >= s.prompt_tokens) return;
    chances_of(s).resize(s.prompt_tokens);
    chances_of(s)[f.position] = f;
}

bool answers::show(sequence& s, const wire::token& f) {
    const al::instant now = monotonic();
    job& of = *s.of;
    choice part{.index = s.index, .text = {}, .records = {}, .finish_reason = {}};
    if (s.first == al::instant{}) {
        s.first = now;
        numbers_.first_token(seconds(now - s.arrived));
        if (of.want.prompt_logprobs) keep_scores(s);
        if (of.want.echo) echo(s, part);
    } else {
        numbers_.next_token(seconds(now - s.last));
    }
    s.last = now;
    s.tokens.push_back(f.chosen.token);
    if (!of.want.score_only) {
        const bool shown = !f.stop || of.want.include_stop;
        const std::string bytes = shown ? words_.bytes(f.chosen.token) : std::string();
        s.text.push(bytes, s.tokens.size() - s.prompt_tokens > of.want.min_tokens);
        if (of.want.logprobs) part.records.push_back(record_of(s, f.chosen, f.top));
        s.characters += utf8_characters(bytes);
        part.text += s.text.take();
    }
    if (s.calls) {
        s.calls->push(part.text);
        split_calls(s, part);
    }
    if (!of.want.stream) {
        s.whole += part.text;
        std::move(part.records.begin(), part.records.end(), std::back_inserter(s.records));
    } else if (says_anything(part) || (!f.stop && (s.first_chunk || of.want.continuous_usage))) {
        send(s, part);
    }
    return f.stop || s.text.stopped();
}

// What of an answer's text is calls; those of a whole answer are kept.
void answers::split_calls(sequence& s, choice& part) {
    using kind = al::support::tool_stream::part::kind;
    part.text.clear();
    for (auto& each : s.calls->take()) {
        if (each.what == kind::text) {
            part.text += each.text;
            continue;
        }
        call_part call{.index = each.index, .id = {}, .name = {}, .arguments = {}};
        if (each.what == kind::call)
            call.id = call_id(), call.name = std::move(each.text);
        else
            call.arguments = std::move(each.text);
        if (s.of->want.stream)
            part.calls.push_back(std::move(call));
        else if (each.what == kind::call)
            s.whole_calls.push_back(std::move(call));
        else
            s.whole_calls.back().arguments += call.arguments;
    }
}

void answers::send(sequence& s, const choice& part) {
    job& of = *s.of;
    if (!std::exchange(of.begun, true)) of.out->begin_events(of.headers);
    chunk_usage used{.shown = of.want.include_usage, .so_far = {}};
    if (of.want.continuous_usage)
        used.so_far = {.prompt_tokens = s.prompt_tokens,
                       .completion_tokens = of.want.score_only ? 0 : s.tokens.size() - s.prompt_tokens,
                       .cached_tokens = of.used.cached_tokens};
    of.out->send(chunk_event(of.head, part, std::exchange(s.first_chunk, false), used));
}

token_record answers::record_of(const sequence& s, const wire::chance& chosen,
                                std::span<const wire::chance> top) const {
    const auto spelled = [this](const wire::chance& of) { return token_chance{words_.piece(of.token), of.logprob}; };
    token_record record{.chosen = spelled(chosen), .top = {}, .has_logprob = true, .text_offset = s.characters};
    for (const auto& each : top) record.top.push_back(spelled(each));
    return record;
}

// vLLM's order: the prompt's own token first, then the likeliest of the others.
void answers::keep_scores(const sequence& s) {
    job& of = *s.of;
    if (s.index % of.want.n != 0) return; // the first choice of each prompt is asked
    of.scores.resize(std::max<std::size_t>(of.want.prompts.size(), 1));
    prompt_scores& scores = of.scores[s.index / of.want.n];
    scores.resize(s.prompt_tokens);
    const auto& chances = chances_of(s);
    for (std::uint32_t i = 1; i < chances.size(); ++i) {
        const wire::prompt_token& said = chances[i];
        const auto add = [&](const wire::chance& each, std::uint32_t rank) {
            scores[i].push_back({each.token, words_.piece(each.token), each.logprob, rank});
        };
        add(said.chosen, said.rank);
        for (std::uint32_t rank = 1; const auto& each : likeliest(said, *of.want.prompt_logprobs)) {
            if (each.token != said.chosen.token) add(each, rank);
            ++rank;
        }
    }
}

// The prompt goes before the answer.
void answers::echo(sequence& s, choice& part) {
    const auto& chances = chances_of(s);
    for (std::uint32_t i = 0; i < s.prompt_tokens; ++i) {
        const std::string piece = words_.piece(s.tokens[i]);
        if (s.of->want.logprobs) {
            if (i > 0 && i < chances.size())
                part.records.push_back(record_of(s, chances[i].chosen, likeliest(chances[i], *s.of->want.logprobs)));
            else
                part.records.push_back(
                    {.chosen = {piece, 0}, .top = {}, .has_logprob = false, .text_offset = s.characters});
        }
        s.characters += utf8_characters(piece);
        part.text += piece;
    }
    part.text = utf8_repaired(part.text);
}

} // namespace serve
