// SPDX-License-Identifier: Apache-2.0
// outcome<T>: a value, or a fault: the library's typed error plus a sentence that a person can act on. Servers print
// the sentence and answer with the code. Readers of files that somebody else wrote return it.
//
//     support::outcome<support::gguf_file> file = support::gguf_file::open(path);
//     if (!file) return complain(file.fault().sentence);
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <ashlar/core/result.hpp>

namespace ashlar::support {

struct fault {
    ashlar::error what;
    std::string sentence; // names the field or tensor, and the byte offset where there is one
};

inline fault make_fault(errc code, std::string sentence, std::int32_t os_code = 0) {
    return {{code, origin::app, os_code}, std::move(sentence)};
}

// Text from a file inside a sentence: printable ASCII, cut short, so that a hostile name cannot disturb a terminal.
inline std::string in_quotes(std::string_view text) {
    std::string out = "'";
    for (const char c : text.substr(0, 80)) out += (c >= 0x20 && c < 0x7f && c != '\'') ? c : '?';
    return out += text.size() > 80 ? "...'" : "'";
}

template <class T>
class [[nodiscard]] outcome {
public:
    using value_type = T;

    outcome(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    outcome(support::fault why) : held_(std::in_place_index<1>, std::move(why)) {}

    explicit operator bool() const { return held_.index() == 0; }
    T& value() & { return ASHLAR_ASSERT(held_.index() == 0), *std::get_if<0>(&held_); }
    const T& value() const& { return ASHLAR_ASSERT(held_.index() == 0), *std::get_if<0>(&held_); }
    T value() && { return ASHLAR_ASSERT(held_.index() == 0), std::move(*std::get_if<0>(&held_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const support::fault& fault() const { return ASHLAR_ASSERT(held_.index() == 1), *std::get_if<1>(&held_); }

private:
    std::variant<T, support::fault> held_;
};

} // namespace ashlar::support
