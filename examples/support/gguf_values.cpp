// SPDX-License-Identifier: Apache-2.0
// What a GGUF file says under a key, and where its tensors lie.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include <support/gguf.hpp>
#include <support/gguf_bytes.hpp>

namespace ashlar::support {

using namespace gguf_bytes;

const gguf::value* gguf::find(std::string_view key) const {
    const auto it = std::ranges::lower_bound(values_, key, {}, &value::key);
    return it != values_.end() && it->key == key ? &*it : nullptr;
}

const gguf::tensor_entry* gguf::find_tensor(std::string_view name) const {
    const auto it = std::ranges::lower_bound(tensors_, name, {}, &tensor_entry::name);
    return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

namespace {

fault absent(std::string_view key) { return make_fault(errc::not_found, "the file has no metadata " + in_quotes(key)); }

fault mistyped(const gguf::value& value, std::string_view wanted) {
    const std::string is = value.type == kind::array ? "an array of " + std::string(name_of(value.element))
                                                     : std::string(name_of(value.type));
    return make_fault(errc::invalid_argument, "metadata " + in_quotes(value.key) + " is " + is + ", not " +
                                                  std::string(wanted) + at(value.offset));
}

constexpr bool is_integer(kind type) {
    return size_of(type) != 0 && type != kind::f32 && type != kind::f64 && type != kind::boolean;
}

} // namespace

outcome<std::string_view> gguf::text(std::string_view key) const {
    const value* found = find(key);
    if (!found) return absent(key);
    if (found->type != kind::string) return mistyped(*found, "a string");
    return std::string_view(reinterpret_cast<const char*>(bytes_.data()) + found->offset + 8,
                            static_cast<std::size_t>(load<std::uint64_t>(bytes_, found->offset)));
}

outcome<std::uint64_t> gguf::count(std::string_view key) const {
    const value* found = find(key);
    if (!found) return absent(key);
    if (!is_integer(found->type)) return mistyped(*found, "an integer");
    std::optional<std::uint64_t> out;
    visit_number(bytes_, found->type, found->offset, [&](auto x) {
        if (x >= 0) out = static_cast<std::uint64_t>(x);
    });
    if (!out)
        return make_fault(errc::invalid_argument, "metadata " + in_quotes(key) + " is negative" + at(found->offset));
    return *out;
}

outcome<double> gguf::number(std::string_view key) const {
    const value* found = find(key);
    if (!found) return absent(key);
    if (found->type != kind::f32 && found->type != kind::f64) return mistyped(*found, "a floating-point number");
    double out = 0;
    visit_number(bytes_, found->type, found->offset, [&](auto x) { out = static_cast<double>(x); });
    if (!std::isfinite(out))
        return make_fault(errc::invalid_argument, "metadata " + in_quotes(key) + " is not finite" + at(found->offset));
    return out;
}

outcome<bool> gguf::flag(std::string_view key) const {
    const value* found = find(key);
    if (!found) return absent(key);
    if (found->type != kind::boolean) return mistyped(*found, "a bool");
    return std::to_integer<int>(bytes_[found->offset]) != 0;
}

outcome<std::vector<std::string_view>> gguf::texts(std::string_view key) const {
    const value* found = find(key);
    if (!found) return absent(key);
    if (found->type != kind::array || found->element != kind::string) return mistyped(*found, "an array of strings");
    std::vector<std::string_view> out;
    out.reserve(static_cast<std::size_t>(found->count));
    for (std::uint64_t offset = found->offset, i = 0; i < found->count; ++i) { // lengths were checked by parse()
        const auto length = static_cast<std::size_t>(load<std::uint64_t>(bytes_, offset));
        out.emplace_back(reinterpret_cast<const char*>(bytes_.data()) + offset + 8, length);
        offset += 8 + length;
    }
    return out;
}

outcome<std::vector<std::int64_t>> gguf::integers(std::string_view key) const {
    const value* found = find(key);
    if (!found) return absent(key);
    if (found->type != kind::array || !is_integer(found->element)) return mistyped(*found, "an array of integers");
    std::vector<std::int64_t> out;
    out.reserve(static_cast<std::size_t>(found->count));
    for (std::uint64_t i = 0; i < found->count; ++i)
        visit_number(bytes_, found->element, found->offset + i * size_of(found->element), [&](auto x) {
            if constexpr (std::is_integral_v<decltype(x)>)
                if (std::in_range<std::int64_t>(x)) out.push_back(static_cast<std::int64_t>(x));
        });
    if (out.size() != found->count)
        return make_fault(errc::invalid_argument,
                          "metadata " + in_quotes(key) + " holds a number out of range" + at(found->offset));
    return out;
}

outcome<kernel::weight_view> gguf::tensor(std::string_view name) const {
    const tensor_entry* found = find_tensor(name);
    if (!found) return make_fault(errc::not_found, "the file has no tensor " + in_quotes(name));
    if (found->dimensions > 2)
        return make_fault(errc::unsupported, "tensor " + in_quotes(name) + " has " + std::to_string(found->dimensions) +
                                                 " dimensions; weights have one or two");
    constexpr std::uint64_t extent_max = std::numeric_limits<std::uint32_t>::max();
    if (found->extent[0] > extent_max || found->extent[1] > extent_max)
        return make_fault(errc::unsupported, "tensor " + in_quotes(name) + " is too large in one dimension");
    return kernel::weight_view{.format = found->format,
                               .data = bytes_.data() + found->offset,
                               .rows = static_cast<std::uint32_t>(found->extent[1]),
                               .columns = static_cast<std::uint32_t>(found->extent[0])};
}

} // namespace ashlar::support
