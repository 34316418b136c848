// SPDX-License-Identifier: Apache-2.0
#include "device_toml.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#define TOML_HEADER_ONLY 1 // the program needs no shared object for it
#include <toml++/toml.h>

namespace planner {

namespace {

// A table of the file; names what it refuses with file, line and key.
class table {
public:
    table(const toml::table& keys, std::string file, std::string path, std::vector<std::string> known)
        : keys_(keys), file_(std::move(file)), path_(std::move(path)) {
        for (const auto& [key, value] : keys_) {
            const std::string name(key.str());
            if (std::ranges::find(known, name) != known.end()) continue;
            refuse(name, value, "is not known" + did_you_mean(name, known) + "; the keys here are " + join(known));
        }
    }

    template <class Read>
    auto text(const char* key, Read read) const -> decltype(read(std::string_view())) {
        const toml::node* at = keys_.get(key);
        if (!at) throw bad_input(file_ + ": " + path_ + key + ": is missing");
        const auto value = at->value_exact<std::string>();
        if (!value) refuse(key, *at, "wants a text in quotes" + std::string(at->is_number() ? ", with its unit" : ""));
        try {
            return read(*value);
        } catch (const bad_input& why) {
            refuse(key, *at, why.what());
        }
    }
    template <class Read>
    auto text_or_none(const char* key, Read read) const -> decltype(read(std::string_view())) {
        if (!keys_.contains(key)) return {};
        return text(key, read);
    }
    // A number with or without a fraction; 0 if it is absent.
    double number(const char* key, double most) const {
        const toml::node* at = keys_.get(key);
        if (!at) return 0;
        const auto value = at->value<double>();
        if (!at->is_number() || !value || !(*value > 0) || *value > most) {
            refuse(key, *at, "wants a number above 0 and up to " + significant(most));
        }
        return *value;
    }
    int count(const char* key, int otherwise, int most) const {
        const toml::node* at = keys_.get(key);
        if (!at) return otherwise;
        const auto value = at->value_exact<std::int64_t>();
        if (!value || *value < 1 || *value > most) {
            refuse(key, *at, "wants a whole number of 1 to " + std::to_string(most));
        }
        return static_cast<int>(*value);
    }
    // An empty one if it is absent.
    const toml::table& inside(const char* key) const {
        static const toml::table none;
        const toml::node* at = keys_.get(key);
        if (!at) return none;
        if (!at->is_table()) refuse(key, *at, "wants a table: [" + std::string(key) + "]");
        return *at->as_table();
    }

private:
    [[noreturn]] void refuse(const std::string& key, const toml::node& at, const std::string& why) const {
        throw bad_input(file_ + ":" + std::to_string(at.source().begin.line) + ": " + path_ + key + ": " + why);
    }

    const toml::table& keys_;
    std::string file_, path_;
};

std::string any_text(std::string_view text) {
    if (text.empty()) throw bad_input("is empty");
    if (!printable(text)) throw bad_input("holds a character that is not printable ASCII");
    return std::string(text);
}
plan::status read_status(std::string_view text) {
    std::vector<std::string> names;
    for (const auto is :
         {plan::status::shipping, plan::status::announced, plan::status::cancelled, plan::status::rumoured}) {
        names.emplace_back(name_of(is));
        if (names.back() == text) return is;
    }
    throw bad_input("\"" + std::string(text) + "\" is no status; one of " + join(names));
}
plan::year_month read_month(std::string_view text) {
    const auto digit = [&](std::size_t at) { return text[at] - '0'; };
    bool fine = text.size() == 7 && text[4] == '-';
    for (std::size_t at = 0; fine && at < text.size(); ++at) fine = at == 4 || (text[at] >= '0' && text[at] <= '9');
    if (fine) {
        const plan::year_month m{digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3), digit(5) * 10 + digit(6)};
        if (m.year >= 2000 && m.month >= 1 && m.month <= 12) return m;
    }
    throw bad_input("\"" + std::string(text) + "\" is no month; write \"2026-09\"");
}
units::watt read_power(std::string_view text) {
    if (!text.ends_with("W")) throw bad_input("\"" + std::string(text) + "\" has no unit; write \"700 W\"");
    text.remove_suffix(1);
    while (text.ends_with(" ")) text.remove_suffix(1);
    return units::watt(read_count(text));
}
// toml++ 3.3 trusts letters beyond ASCII outside of strings, and what follows a bracket, too much: it asserts, or runs
// into undefined behaviour. A device needs none of that: each line is empty, [table] or key = value.
void check_lines(std::string_view text, const std::string& file) {
    int number = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::string where = file + ":" + std::to_string(++number) + ": ";
        if (line.ends_with('\r')) line.remove_suffix(1);
        const auto drop = [&](auto&& what) {
            const auto stop = std::ranges::find_if_not(line, what);
            const auto dropped = static_cast<std::size_t>(stop - line.begin());
            line.remove_prefix(dropped);
            return dropped;
        };
        const auto blank = [](char c) { return c == ' ' || c == '\t'; };
        const auto letter = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        };
        if (!std::ranges::all_of(line, [&](char c) { return blank(c) || printable({&c, 1}); })) {
            throw bad_input(where + "holds a character that is not printable ASCII; write it in other words");
        }
        drop(blank);
        if (line.empty() || line.front() == '#') continue;
        const bool bracket = line.front() == '[';
        if (bracket) line.remove_prefix(1);
        const bool named = drop(letter) > 0;
        drop(blank);
        if (!named || !line.starts_with(bracket ? ']' : '=')) {
            throw bad_input(where + "wants [table], key = value or # a comment");
        }
    }
}
template <std::size_t Size>
void copy(char (&to)[Size], const std::string& from) {
    std::memcpy(to, from.data(), std::min(from.size(), Size - 1));
}

} // namespace

plan::device read_device(std::string_view text, const std::string& file) {
    if (text.size() > 1 << 16) throw bad_input(file + ": larger than 64 KiB, which no device is");
    check_lines(text, file);
    const toml::table parsed = [&] {
        try {
            return toml::parse(text, file);
        } catch (const toml::parse_error& fault) {
            throw bad_input(file + ":" + std::to_string(fault.source().begin.line) + ": " +
                            std::string(fault.description()));
        }
    }();
    const table top(parsed, file, "",
                    {"name", "status", "source", "as_of", "price", "power", "dense_tflops", "memory", "link"});
    const table peaks(top.inside("dense_tflops"), file, "dense_tflops.", {"fp32", "bf16", "fp8", "int8", "fp4"});
    const table memory(top.inside("memory"), file, "memory.", {"size", "bandwidth"});
    const table link(top.inside("link"), file, "link.", {"scale_up", "scale_up_size", "scale_out"});

    plan::device d;
    copy(d.name, top.text("name", any_text));
    copy(d.source, top.text("source", any_text));
    d.as_of = top.text("as_of", read_month);
    d.is = top.text_or_none("status", read_status);
    d.price = top.text_or_none("price", read_price);
    d.power = top.text_or_none("power", read_power);
    d.memory = memory.text("size", read_bytes);
    d.bandwidth = memory.text("bandwidth", read_byte_rate);
    d.scale_up = link.text_or_none("scale_up", read_rate);
    d.scale_up_size = link.count("scale_up_size", 1, 1 << 20);
    d.scale_out = link.text_or_none("scale_out", read_rate);
    const auto tera = [&](const char* key) { return units::flop_rate(peaks.number(key, 1e6) * 1e12); };
    d.dense = plan::peaks{tera("fp32"), tera("bf16"), tera("fp8"), tera("int8"), tera("fp4")};
    if (d.dense == plan::peaks{}) {
        throw bad_input(file + ": dense_tflops: is missing; give at least one peak, without sparsity: bf16 = 989");
    }
    return d;
}

} // namespace planner
