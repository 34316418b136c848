// SPDX-License-Identifier: Apache-2.0
// JSON that somebody else wrote, read without trusting it: no key twice in an object, no deeper than a reader can want,
// no exception, in time that grows with its length. For source files: headers stay free of the parser.
//
//     auto read = support::read_json(text, "config.json");   if (!read) return read.fault();
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <support/outcome.hpp>

namespace ashlar::support {

// Sees a text go by and builds nothing. What a tree could not tell any more is known before one is made. (The parser's
// own callback looks through the whole parent at the end of every object: a list of n objects takes it n² steps.)
class json_watch final : public nlohmann::json_sax<nlohmann::json> {
public:
    json_watch(std::string_view text, std::size_t depth_max) : depth_max_(depth_max) {
        good_ = nlohmann::json::sax_parse(text, static_cast<nlohmann::json_sax<nlohmann::json>*>(this));
    }

    bool deep() const { return deep_; }
    const std::string* twice() const { return twice_ ? &name_ : nullptr; } // the first key that stands there again
    bool valid() const { return good_; }
    const std::string& complaint() const { return complaint_; } // the parser's, when the text is no JSON

private:
    bool start_object(std::size_t) override { return keys_.emplace_back(), open(); }
    bool key(string_t& name) override {
        if (keys_.back().insert(name).second) return true;
        name_ = std::move(name);
        return !(twice_ = true);
    }
    bool end_object() override { return keys_.pop_back(), --depth_, true; }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return --depth_, true; }
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& why) override {
        complaint_ = why.what();
        return false;
    }
    bool open() { return !(deep_ = ++depth_ > depth_max_); }

    const std::size_t depth_max_;
    std::size_t depth_ = 0;
    std::vector<std::set<std::string>> keys_; // of the objects that are open
    std::string name_, complaint_;
    bool deep_ = false, twice_ = false, good_ = false;
};

// corrupt: what is no JSON object; `what` begins the sentence.
inline outcome<nlohmann::json> read_json(std::string_view text, const std::string& what) {
    constexpr std::size_t depth_max = 16;
    const json_watch seen(text, depth_max);
    if (seen.deep()) return make_fault(errc::unsupported, what + " nests deeper than " + std::to_string(depth_max));
    if (seen.twice()) return make_fault(errc::corrupt, what + " names something twice in one object");
    nlohmann::json read = seen.valid() ? nlohmann::json::parse(text, nullptr, false) : nlohmann::json();
    if (!read.is_object()) return make_fault(errc::corrupt, what + " is no JSON object: it is truncated or damaged");
    return read;
}

} // namespace ashlar::support
