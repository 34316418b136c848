// SPDX-License-Identifier: Apache-2.0
// The clients' side of a request: what is asked for, what has been generated, and how it goes out, as one body or as
// events. A job is one HTTP request; each of its choices is one request of the scheduler. When something ends, and how,
// the scheduler says; here it becomes text.
//
//     answers all(words, numbers, [](const sched::event& e) { ... });
//     all.begin(job, {choice, choice});   if (auto* c = all.find(id)) ends = all.show(*c, token);   all.apply(finish);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/event.hpp>

#include <support/tool_stream.hpp>

#include "http.hpp"
#include "metrics.hpp"
#include "openai.hpp"
#include "text.hpp"
#include "vocabulary.hpp"
#include "wire.hpp"

namespace serve {

// How the scheduler's reasons are told to clients.
api_error words_for(ashlar::sched::reject_reason reason);

// One HTTP request that generates: what all its choices share.
struct job {
    std::shared_ptr<exchange> out;
    generation want;
    answer_head head;
    usage used;
    http_headers headers;                                        // of every answer: x-request-id
    std::vector<ashlar::request_id> open;                        // choices that have not ended
    std::vector<choice> done;                                    // of an answer that is not streamed
    std::vector<std::vector<wire::prompt_token>> prompt_chances; // of each prompt, by position, when asked for
    std::vector<prompt_scores> scores;                           // the same, as they go out
    bool begun = false;                                          // bytes of a stream are out
    bool over = false;
};

// One choice: one request of the scheduler.
struct sequence {
    ashlar::request_id id;
    std::shared_ptr<job> of;
    std::uint32_t index = 0;
    std::vector<token_id> tokens; // prompt, then generated
    std::uint32_t prompt_tokens = 0, max_tokens = 0;
    wire::sampling how;
    std::vector<std::byte> ticket; // of the decode engine, on its way to the prefill engine
    text_stream text;
    std::optional<ashlar::support::tool_stream> calls; // when the answer may call tools: behind `text`
    std::vector<token_record> records;                 // not streamed: all so far
    std::string whole;                                 // the same
    std::vector<call_part> whole_calls;                // the same, one a call
    std::uint32_t characters = 0;
    bool counted_prompt = false, first_chunk = true;
    ashlar::instant arrived, batched, first, last;
};

class answers {
public:
    using told = std::function<void(const ashlar::sched::event&)>;
    // `prefix_caching`: engines find a prompt that they have computed.
    answers(const vocabulary& words, metrics& numbers, bool prefix_caching, told tell);

    // Fills in the ids and tells of their arrival, as one group; their ends come by `apply`.
    void begin(const std::shared_ptr<job>& of, std::vector<std::unique_ptr<sequence>> choices);
    sequence* find(ashlar::request_id id) const;

    // What the scheduler says to clients.
    void apply(const ashlar::sched::reject& a);
    void apply(const ashlar::sched::finish& a);
    void apply(const ashlar::sched::fail& a);
    void refuse(exchange& out, const api_error& fault, const http_headers& headers = {});

    // What engines say: a token that counts (true when the answer ends with it), and what the prompt's own were worth.
    bool show(sequence& s, const wire::token& f);
    void note(sequence& s, const wire::prompt_token& f);

private:
    token_record record_of(const sequence& s, const wire::chance& chosen, std::span<const wire::chance> top) const;
    void split_calls(sequence& s, choice& part);
    void keep_scores(const sequence& s);
    void echo(sequence& s, choice& part);
    void send(sequence& s, const choice& part);
    void complete(job& of);
    void end_job(job& of, const api_error& fault, http_headers headers = {});
    std::unique_ptr<sequence> take(ashlar::request_id id);
    void measure_end(const sequence& s, const char* reason, std::uint32_t generated);

    const vocabulary& words_;
    metrics& numbers_;
    const bool prefix_caching_;
    const told tell_;
    std::unordered_map<std::uint64_t, std::unique_ptr<sequence>> sequences_; // looked up, never walked
    std::uint64_t next_request_;
};

} // namespace serve
