// SPDX-License-Identifier: Apache-2.0
// The paths of the API: who may ask what, and how a body becomes a job with its choices. What an engine is not needed
// for is answered here; the rest goes to `answers`.
//
//     api front(how, words, limits, numbers, all, {.unhealthy = ..., .measured = ...});   front.serve(request, out);
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "answer_grammars.hpp"
#include "answers.hpp"
#include "http.hpp"
#include "metrics.hpp"
#include "openai.hpp"
#include "vocabulary.hpp"

namespace serve {

class api {
public:
    struct surroundings {
        std::function<const char*()> unhealthy;          // why not, or nullptr
        std::function<std::string()> measured;           // for /metrics
        std::function<void(std::function<void()>)> post; // onto the loop; called on any thread
    };
    api(std::string key, const vocabulary& words, const api_limits& limits, answers& to, surroundings about);

    void serve(http_request request, std::shared_ptr<exchange> out);
    void drain(); // who waits for a grammar, and who would from now on, is told that the server goes

private:
    void health(exchange& out, const http_headers& headers);
    void model(const std::string& name, exchange& out, const http_headers& headers);
    void tokenize(const std::string& body, exchange& out, const http_headers& headers);
    void detokenize(const std::string& body, exchange& out, const http_headers& headers);
    void generate(const std::string& body, bool chat, std::shared_ptr<exchange> out, const http_headers& headers,
                  const std::string& id);

    struct held { // a request whose grammar is being made
        std::shared_ptr<job> of;
        std::vector<std::unique_ptr<sequence>> choices;
        answer_grammars::asked grammar;
    };
    void hold(held one);
    void let_go(); // of those whose grammar is there
    void begin(held one, const answer_grammars::verdict& grammar);

    const std::string key_; // empty: none is asked for
    const vocabulary& words_;
    const api_limits& limits_;
    answers& to_;
    const surroundings about_;
    const std::int64_t started_; // seconds since 1970
    std::list<held> held_;
    bool draining_ = false;
    answer_grammars grammars_;
};

} // namespace serve
