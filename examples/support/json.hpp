// SPDX-License-Identifier: Apache-2.0
// JSON that somebody else wrote, read without trusting it: no key twice in an object, no deeper than a reader can want,
// no exception. For source files: headers stay free of the parser.
//
//     auto read = support::read_json(text, "config.json");   if (!read) return read.fault();
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <support/outcome.hpp>

namespace ashlar::support {

// corrupt: what is no JSON object; `what` begins the sentence.
inline outcome<nlohmann::json> read_json(std::string_view text, const std::string& what) {
    using event = nlohmann::json::parse_event_t;
    constexpr int depth_max = 16;
    std::vector<std::set<std::string>> keys;
    bool twice = false, deep = false;
    const auto watch = [&](int depth, event happened, nlohmann::json& value) {
        deep = deep || depth > depth_max;
        if (happened == event::object_start) keys.emplace_back();
        if (happened == event::object_end) keys.pop_back();
        if (happened == event::key) twice = !keys.back().insert(value.get<std::string>()).second || twice;
        return !deep;
    };
    nlohmann::json read = nlohmann::json::parse(text, watch, false);
    if (deep) return make_fault(errc::unsupported, what + " nests deeper than " + std::to_string(depth_max));
    if (!read.is_object()) return make_fault(errc::corrupt, what + " is no JSON object: it is truncated or damaged");
    if (twice) return make_fault(errc::corrupt, what + " names something twice in one object");
    return read;
}

} // namespace ashlar::support
