// SPDX-License-Identifier: Apache-2.0
// The words key=value of a command line, checked against those that the command knows.
//
//     const asked words({"model=step3", "slo=50ms"}, {"model", "slo"});
//     const units::second slo = words.one("slo", read_duration, units::second(0.05));
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "words.hpp"

namespace planner {

class asked {
public:
    asked(const std::vector<std::string>& words, std::vector<std::string> known) {
        for (const std::string& word : words) {
            const std::size_t at = word.find('=');
            const std::string key = word.substr(0, at);
            if (at == std::string::npos) {
                throw bad_input("\"" + word + "\" is no word of this command; words are key=value, as model=" + word +
                                "; the keys here are " + join(known));
            }
            if (std::find(known.begin(), known.end(), key) == known.end()) {
                throw bad_input(word + ": there is no key \"" + key + "\" here" + did_you_mean(key, known) +
                                "; the keys here are " + join(known));
            }
            if (at + 1 == word.size()) throw bad_input(word + " has no value");
            if (!said_.emplace(key, word.substr(at + 1)).second) throw bad_input(word + ": " + key + " is said twice");
        }
    }

    bool has(const std::string& key) const { return said_.contains(key); }

    // The value, read; what is wrong with it is said with the key.
    template <class Read>
    auto one(const std::string& key, Read read) const -> decltype(read(std::string())) {
        const auto at = said_.find(key);
        if (at == said_.end()) throw bad_input(key + "= is missing");
        return checked(key, at->second, read);
    }
    template <class Read, class Value>
    Value one(const std::string& key, Read read, Value otherwise) const {
        return has(key) ? Value(one(key, read)) : otherwise;
    }
    // A list with commas between.
    template <class Read, class Value>
    std::vector<Value> list(const std::string& key, Read read, const std::vector<Value>& otherwise) const {
        if (!has(key)) return otherwise;
        std::vector<Value> all;
        for (const std::string& each : split(said_.at(key), ',')) {
            all.push_back(Value(checked(key, each, read)));
            if (all.size() > 1024) throw bad_input(key + "= lists more than 1024 values");
        }
        return all;
    }

private:
    template <class Read>
    static auto checked(const std::string& key, const std::string& value, Read read) -> decltype(read(value)) {
        try {
            return read(value);
        } catch (const bad_input& why) {
            throw bad_input(key + "=" + value + ": " + why.what());
        }
    }

    std::map<std::string, std::string> said_;
};

} // namespace planner
