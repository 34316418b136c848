// SPDX-License-Identifier: Apache-2.0
// An answer in the format of the Hermes and Qwen models, taken apart as it comes: text, and calls of tools written as
//
//     <tool_call>
//     {"name": "search", "arguments": {"query": "ashlar"}}
//     </tool_call>
//
//     support::tool_stream parts;   parts.push(text_of_token);   for (auto& part : parts.take()) send(part);
//
// Whatever the text is and however it is cut, the parts say all of it once: what is not written exactly so stays text.
// A call is told when its arguments begin, then their text as it comes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ashlar::support {

inline constexpr std::string_view tool_call_begins = "<tool_call>", tool_call_ends = "</tool_call>";
inline constexpr std::string_view tool_call_before_name = "<tool_call>\n{\"name\": \"",
                                  tool_call_before_arguments = "\", \"arguments\": ",
                                  tool_call_after_arguments = "}\n</tool_call>";
inline constexpr std::size_t tool_name_max = 64;
bool is_tool_name(std::string_view name); // letters, digits, '_' and '-', at most 64

class tool_stream {
public:
    struct part {
        enum class kind : std::uint8_t { text, call, arguments } what;
        std::uint32_t index; // of the call, from 0
        std::string text;    // of a call: its name
    };

    void push(std::string_view text);
    void finish(); // nothing more comes: what was held back goes out
    std::vector<part> take() { return std::exchange(ready_, {}); }
    // Whether calls are there and nothing but white space stands behind the last one, which is whole.
    bool ends_with_a_call() const { return calls_ > 0 && state_ == state::between; }

private:
    enum class state : std::uint8_t { text, arguments, closing, between };
    void say(part::kind what, std::string_view text);
    bool step(bool final); // false: more text is needed
    bool step_text(bool final);
    bool step_arguments();
    bool step_closing(bool final);
    bool step_between(bool final);

    std::vector<part> ready_;
    std::string held_;
    state state_ = state::text;
    std::uint32_t calls_ = 0, depth_ = 0;
    bool quoted_ = false, escaped_ = false; // within the arguments
};

} // namespace ashlar::support
