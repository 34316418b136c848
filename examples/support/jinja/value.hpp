// SPDX-License-Identifier: Apache-2.0
// What a template computes with: Python's values, as far as JSON knows them, and text that remembers of every byte
// whether the template wrote it or somebody else, so that nobody can write a control token into a conversation.
//
//     auto messages = jinja::value::from_json(body);   if (!messages) return messages.fault();
//     jinja::text line = jinja::written("<|im_start|>");   line += jinja::given(what_a_user_sent);
//
// Values are immutable and shared, but for a namespace, which cannot be put into another value: nothing refers to
// itself. Nothing nests deeper than `value::depth_max`. What they hold is counted (jinja/memory.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <support/jinja/memory.hpp>
#include <support/outcome.hpp>

namespace ashlar::support::jinja {

struct text {
    counted_text bytes;
    counted_text by_template; // as long; 1 where the template wrote the byte, else 0

    text& operator+=(const text& more) {
        bytes += more.bytes;
        by_template += more.by_template;
        return *this;
    }
    text part(std::size_t at, std::size_t size = std::string::npos) const {
        return {bytes.substr(at, size), by_template.substr(at, size)};
    }
};
inline text written(std::string_view bytes) { return {counted_text(bytes), counted_text(bytes.size(), 1)}; }
inline text given(std::string_view bytes) { return {counted_text(bytes), counted_text(bytes.size(), 0)}; }

class value;
using list = std::vector<value, counted<value>>;
using member = std::pair<counted_text, value>;
using map = std::vector<member, counted<member>>; // in the order in which it was made

struct function {}; // one that a template can call; as a value it is only there

class value {
public:
    static constexpr std::uint32_t depth_max = 100;
    struct undefined {};

    value() = default; // undefined
    value(std::nullptr_t) : held_(nullptr) {}
    value(bool x) : held_(x) {}
    value(std::int64_t x) : held_(x) {}
    value(double x) : held_(x) {}
    value(function x) : held_(x) {}
    value(text x) : held_(std::allocate_shared<const text>(counted<text>(), std::move(x))) {}
    // exhausted, thrown as a fault: nested too deep. unsupported: a namespace in it.
    value(list x);
    value(map x);
    static value a_namespace(map members);

    // JSON as somebody sent it: its text is not the template's. corrupt: no JSON. exhausted: nested too deep.
    static outcome<value> from_json(std::string_view json);

    template <class T>
    const T* get() const { // of undefined, nullptr_t, bool, int64_t, double, function
        return std::get_if<T>(&held_);
    }
    const text* as_text() const { return pointed<const text>(); }
    const list* as_list() const {
        const auto* held = pointed<const nest<list>>();
        return held ? &held->of : nullptr;
    }
    const map* as_map() const {
        const auto* held = pointed<const nest<map>>();
        return held ? &held->of : nullptr;
    }
    map* as_namespace() const {
        const auto* held = std::get_if<std::shared_ptr<space>>(&held_);
        return held ? &(*held)->of : nullptr;
    }
    bool is_undefined() const { return get<undefined>() != nullptr; }
    bool is_none() const { return get<std::nullptr_t>() != nullptr; }
    std::uint32_t depth() const; // of lists and maps in it

    bool truth() const;                                     // Python's
    std::string_view kind() const;                          // in words, for a sentence
    friend bool operator==(const value& a, const value& b); // Python's: true == 1 == 1.0

private:
    template <class T>
    struct nest {
        T of;
        std::uint32_t depth;
    };
    struct space {
        map of;
    };
    template <class T>
    const T* pointed() const {
        const auto* held = std::get_if<std::shared_ptr<T>>(&held_);
        return held ? held->get() : nullptr;
    }

    std::variant<undefined, std::nullptr_t, bool, std::int64_t, double, function, std::shared_ptr<const text>,
                 std::shared_ptr<const nest<list>>, std::shared_ptr<const nest<map>>, std::shared_ptr<space>>
        held_;
};

const value* find(const map& in, std::string_view name); // null: not there

// What `{{ x }}` writes: as Python's str(). A list or a map has no such text here: a fault is thrown.
text printed(const value& of);
// As json.dumps(x, ensure_ascii=False, indent=indent); no indent: below 0. Appends; a fault is thrown for what JSON
// cannot say.
// `each_one` hears before every value how much stands there, and may throw: lists may share what they hold.
using written_so_far = std::function<void(std::size_t)>;
void append_json(counted_text& out, const value& of, std::int64_t indent, const written_so_far& each_one = {},
                 std::size_t level = 0);
void append_json(std::string& out, const value& of, std::int64_t indent);
std::string real_text(double x); // Python's repr

} // namespace ashlar::support::jinja
