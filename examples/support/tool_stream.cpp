// SPDX-License-Identifier: Apache-2.0
#include <support/tool_stream.hpp>

#include <algorithm>

namespace ashlar::support {

namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

enum class match : std::uint8_t { no, partly, whole };
match begins_with(std::string_view text, std::string_view wanted) {
    const std::size_t size = std::min(text.size(), wanted.size());
    if (text.substr(0, size) != wanted.substr(0, size)) return match::no;
    return size == wanted.size() ? match::whole : match::partly;
}

// A call up to the bracket that opens its arguments.
match begins_call(std::string_view text, std::string_view& name) {
    if (const auto begun = begins_with(text, tool_call_before_name); begun != match::whole) return begun;
    text.remove_prefix(tool_call_before_name.size());
    name = text.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(text, is_name_character) - text.begin()));
    if (name.size() > tool_name_max) return match::no;
    text.remove_prefix(name.size());
    if (text.empty()) return match::partly;
    if (name.empty()) return match::no;
    if (const auto named = begins_with(text, tool_call_before_arguments); named != match::whole) return named;
    text.remove_prefix(tool_call_before_arguments.size());
    return text.empty() ? match::partly : text[0] == '{' ? match::whole : match::no;
}

} // namespace

bool is_tool_name(std::string_view name) {
    return !name.empty() && name.size() <= tool_name_max && std::ranges::all_of(name, is_name_character);
}

void tool_stream::push(std::string_view text) {
    held_ += text;
    while (!held_.empty() && step(false)) {
    }
}

void tool_stream::finish() {
    while (!held_.empty()) step(true);
}

void tool_stream::say(part::kind what, std::string_view text) {
    if (text.empty()) return;
    const std::uint32_t index = calls_ > 0 ? calls_ - 1 : 0;
    if (what != part::kind::call && !ready_.empty() && ready_.back().what == what)
        ready_.back().text += text;
    else
        ready_.push_back({what, index, std::string(text)});
}

bool tool_stream::step(bool final) {
    switch (state_) {
    case state::text:
        return step_text(final);
    case state::arguments:
        return step_arguments();
    case state::closing:
        return step_closing(final);
    case state::between:
        return step_between(final);
    }
    return false;
}

bool tool_stream::step_text(bool final) {
    const std::size_t at = std::min(held_.find('<'), held_.size());
    say(part::kind::text, std::string_view(held_).substr(0, at));
    held_.erase(0, at);
    if (held_.empty()) return false;
    std::string_view name;
    const match found = begins_call(held_, name);
    if (found == match::partly && !final) return false;
    if (found != match::whole) { // no call begins with this sign
        say(part::kind::text, "<");
        held_.erase(0, 1);
        return true;
    }
    ++calls_;
    say(part::kind::call, name);
    held_.erase(0, tool_call_before_name.size() + name.size() + tool_call_before_arguments.size());
    state_ = state::arguments, depth_ = 0, quoted_ = escaped_ = false;
    return true;
}

bool tool_stream::step_arguments() { // up to the bracket that closes them
    std::size_t at = 0;
    for (bool closed = false; at < held_.size() && !closed; ++at) {
        const char c = held_[at];
        if (quoted_) {
            quoted_ = escaped_ || c != '"';
            escaped_ = !escaped_ && c == '\\';
        } else if (c == '"') {
            quoted_ = true;
        } else if (c == '{' || c == '[') {
            ++depth_;
        } else if (c == '}' || c == ']') {
            closed = --depth_ == 0;
        }
        if (closed) state_ = state::closing;
    }
    say(part::kind::arguments, std::string_view(held_).substr(0, at));
    held_.erase(0, at);
    return true;
}

bool tool_stream::step_closing(bool final) {
    const match found = begins_with(held_, tool_call_after_arguments);
    if (found == match::partly && !final) return false;
    if (found == match::whole) held_.erase(0, tool_call_after_arguments.size());
    state_ = found == match::whole ? state::between : state::text;
    return true;
}

// Behind a call: white space before another call is nobody's.
bool tool_stream::step_between(bool final) {
    const std::size_t at = std::min(held_.find_first_not_of(" \n\r\t"), held_.size());
    std::string_view name;
    const match found = at == held_.size() ? match::partly : begins_call(std::string_view(held_).substr(at), name);
    if (found == match::partly && !final) return false;
    if (found == match::partly && at == held_.size()) return held_.clear(), true;
    if (found == match::whole) held_.erase(0, at);
    state_ = state::text;
    return true;
}

} // namespace ashlar::support
