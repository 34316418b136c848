// SPDX-License-Identifier: Apache-2.0
// What is asked of the planner, read from words, and the plan that answers it: the cheapest deployment that meets the
// objective, or the one that misses it by least.
//
//     const question q = read_question(asked(words, question_keys()));
//     const answer a = solve(q);           // a.best().judged.ok(), a.best().judged.cost, a.curve
#pragma once

#include <string>
#include <vector>

#include <ashlar/plan.hpp>

#include "asked.hpp"
#include "catalogue.hpp"

namespace planner {

struct question {
    loaded_model model;
    plan::device attention, ffn;
    std::string attention_word, ffn_word; // as they were asked for: "ffn=h800"
    units::token context{8192};
    units::second per_token{0.05};
    double accepted = 1;
    units::second gap{}, latency{}, jitter{};
    int ranks_max = 512;
    int attention_ranks = 0, ffn_ranks = 0, micro_batches = 0; // 0: the best
    int ratio[2] = {};                                         // attention ranks to FFN ranks; 0: the best
    double requests = 0;                                       // of an attention rank; 0: the most
    plan::efficiency reached = plan::reached::large_kernels;
    units::wire_rate card{};
    double usable_memory = 0.9;
};

std::vector<std::string> question_keys();
question read_question(const asked& words);
question read_hardware(const asked& words); // devices, prices, card, context and objective alone
// A device that lacks what the question needs is bad input.
void check(const question& q);

// A reason's name, what it compares, and what helps.
struct reason_words {
    const char *name, *what, *remedy;
};
struct candidate {
    plan::deployment what{};
    plan::verdict judged{};

    double ratio() const { return static_cast<double>(what.attention_ranks) / what.ffn_ranks; }
    double dollars_per_million() const { return judged.cost.value * 1e6; }
};
struct answer {
    candidate best;
    std::vector<candidate> curve; // the best for each number of attention ranks beside as many FFN ranks, by ratio
    bool found = false;           // best meets the objective
};
answer solve(const question& q);

// What as many devices of one of the two kinds would do without disaggregation, as the verdict compares them: the best
// first, by price if both devices have one, else by speed. What does not fit is left out.
struct alternative {
    std::string name, device;
    plan::colocated_plan plan;
    double dollars_per_million = 0; // 0: no price
};
std::vector<alternative> alternatives(const plan::deployment& d);

const reason_words& words_of(plan::reason r);

} // namespace planner
