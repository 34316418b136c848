// SPDX-License-Identifier: Apache-2.0
#include "sweep.hpp"

namespace planner {

namespace {

std::vector<std::string> values_of(const std::string& key, const std::string& text) {
    const std::size_t dots = text.find("..");
    if (key != "ratio" || dots == std::string::npos) return split(text, ',');
    try {
        const double first = read_count(text.substr(0, dots)), last = read_count(text.substr(dots + 2));
        if (first > last || last > 4096) throw bad_input("wants a range such as 1..16");
        std::vector<std::string> all;
        for (double r = first; r <= last; ++r) all.push_back(fixed(r, 0));
        return all;
    } catch (const bad_input& why) {
        throw bad_input(key + "=" + text + ": " + why.what());
    }
}

} // namespace

std::vector<std::vector<std::string>> expand(const std::vector<std::string>& words) {
    std::vector<std::vector<std::string>> all{{}};
    for (const std::string& word : words) {
        const std::size_t at = word.find('=');
        const std::string key = word.substr(0, at);
        const std::vector<std::string> values =
            at == std::string::npos ? std::vector{std::string()} : values_of(key, word.substr(at + 1));
        if (values.size() * all.size() > 10000) throw bad_input(word + ": a sweep has at most 10,000 combinations");
        std::vector<std::vector<std::string>> longer;
        for (const std::vector<std::string>& each : all) {
            for (const std::string& value : values) {
                longer.push_back(each);
                longer.back().push_back(at == std::string::npos ? word : key + "=" + value);
            }
        }
        all = std::move(longer);
    }
    return all;
}

std::vector<swept> sweep(const std::vector<std::string>& words) {
    std::vector<swept> all;
    for (const std::vector<std::string>& each : expand(words)) {
        question q = read_question(asked(each, question_keys()));
        answer a = solve(q);
        all.push_back({std::move(q), std::move(a)});
    }
    return all;
}

} // namespace planner
