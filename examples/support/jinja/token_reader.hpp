// SPDX-License-Identifier: Apache-2.0
// How the parsers of statements and expressions walk over a template's tokens, and refuse what they meet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <support/jinja/lexer.hpp>
#include <support/outcome.hpp>

namespace ashlar::support::jinja {

class token_reader {
protected:
    explicit token_reader(std::vector<token> tokens) : tokens_(std::move(tokens)) {}

    const token& now() const { return tokens_[at_]; }
    const token& behind() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
    token next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    bool is_sign(std::string_view text) const { return now().what == token::kind::sign && now().text == text; }
    bool is_name(std::string_view text) const { return now().what == token::kind::name && now().text == text; }
    bool skip_sign(std::string_view text) { return is_sign(text) && (next(), true); }
    bool skip_name(std::string_view text) { return is_name(text) && (next(), true); }
    [[noreturn]] void refuse(errc code, const std::string& why, std::uint32_t line = 0) const {
        throw make_fault(code, "line " + std::to_string(line ? line : now().line) + ": " + why);
    }
    [[noreturn]] void unsupported(const std::string& what, std::uint32_t line = 0) const {
        refuse(errc::unsupported, what + " is not supported", line);
    }
    [[noreturn]] void unexpected(const std::string& wanted) const {
        refuse(errc::corrupt, (now().what == token::kind::end
                                   ? "the template ends"
                                   : "unexpected " + in_quotes(now().text.empty() ? "end of tag" : now().text)) +
                                  " where " + wanted + " should be");
    }
    void want_sign(std::string_view text) {
        if (!skip_sign(text)) unexpected("'" + std::string(text) + "'");
    }
    std::string want_name(const char* what) {
        if (now().what != token::kind::name) unexpected(what);
        return next().text;
    }
    void want(token::kind what, const char* described) {
        if (now().what != what) unexpected(described);
        next();
    }

private:
    std::vector<token> tokens_; // the last one is of kind `end`, and stays
    std::size_t at_ = 0;
};

} // namespace ashlar::support::jinja
