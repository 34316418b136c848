// SPDX-License-Identifier: Apache-2.0
#include <support/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include <support/json.hpp>

static_assert(std::endian::native == std::endian::little, "safetensors are read in place: little-endian machines only");

namespace ashlar::support {
namespace {

constexpr std::uint64_t header_max = 100'000'000; // the format's own limit

struct stored {
    std::string_view name;
    std::uint64_t bytes;
    std::optional<kernel::weight_format> format;
};
constexpr stored types[] = {{"F32", 4, kernel::weight_format::f32},
                            {"F16", 2, kernel::weight_format::f16},
                            {"BF16", 2, kernel::weight_format::bf16},
                            {"BOOL", 1, {}},
                            {"U8", 1, {}},
                            {"I8", 1, {}},
                            {"F8_E5M2", 1, {}},
                            {"F8_E4M3", 1, {}},
                            {"I16", 2, {}},
                            {"U16", 2, {}},
                            {"I32", 4, {}},
                            {"U32", 4, {}},
                            {"I64", 8, {}},
                            {"U64", 8, {}},
                            {"F64", 8, {}}};

const stored* type_of(std::string_view name) {
    const auto* found = std::ranges::find(types, name, &stored::name);
    return found == std::end(types) ? nullptr : found;
}

bool is_count(const nlohmann::json& value) { return value.is_number_unsigned(); }
bool are_counts(const nlohmann::json& value) {
    return value.is_array() && std::ranges::all_of(value, [](const auto& each) { return is_count(each); });
}

outcome<safetensors::tensor> read_entry(const std::string& name, const nlohmann::json& entry,
                                        std::span<const std::byte> data) {
    const std::string what = "tensor " + in_quotes(name);
    const auto bad = [&](const std::string& why) { return make_fault(errc::corrupt, what + " " + why); };
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
        !are_counts(entry["shape"]) || !entry.contains("data_offsets") || !are_counts(entry["data_offsets"]) ||
        entry["data_offsets"].size() != 2)
        return bad("has no dtype, shape and data_offsets as the format asks for");
    safetensors::tensor out{
        .name = name, .type = entry["dtype"], .shape = entry["shape"].get<std::vector<std::uint64_t>>(), .data = {}};
    const stored* type = type_of(out.type);
    if (!type) return make_fault(errc::unsupported, what + " is stored as the unknown type " + in_quotes(out.type));
    std::uint64_t size = type->bytes;
    for (const std::uint64_t extent : out.shape)
        if (__builtin_mul_overflow(size, extent, &size)) return bad("has a shape whose size overflows");
    const auto begin = entry["data_offsets"][0].get<std::uint64_t>(),
               end = entry["data_offsets"][1].get<std::uint64_t>();
    if (begin > end || end > data.size())
        return bad("lies at " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
                   std::to_string(data.size()) + " bytes: the file is truncated or an offset in it lies");
    if (end - begin != size)
        return bad("has " + std::to_string(end - begin) + " bytes; its shape asks for " + std::to_string(size));
    out.data = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
    return out;
}

} // namespace

outcome<kernel::weight_view> safetensors::tensor::weights() const {
    const auto format = type_of(type)->format;
    if (!format)
        return make_fault(errc::unsupported,
                          "tensor " + in_quotes(name) + " is stored as " + type + "; weights are F32, F16 or BF16");
    constexpr std::uint64_t extent_max = std::numeric_limits<std::uint32_t>::max();
    if (shape.empty() || shape.size() > 2 ||
        std::ranges::any_of(shape, [](auto e) { return e == 0 || e > extent_max; }))
        return make_fault(errc::unsupported, "tensor " + in_quotes(name) + " is no matrix or vector of weights");
    return kernel::weight_view{.format = *format,
                               .data = data.data(),
                               .rows = shape.size() == 1 ? 1 : static_cast<std::uint32_t>(shape[0]),
                               .columns = static_cast<std::uint32_t>(shape.back())};
}

outcome<safetensors> safetensors::parse(std::span<const std::byte> bytes) {
    if (bytes.size() < 8) return make_fault(errc::corrupt, "not a safetensors file: it has no header length");
    const auto length = kernel::unaligned<std::uint64_t>(bytes.data());
    if (length > header_max || length > bytes.size() - 8)
        return make_fault(errc::corrupt, "the header claims " + std::to_string(length) + " bytes of " +
                                             std::to_string(bytes.size() - 8) + ", at most " +
                                             std::to_string(header_max) + ": no safetensors file, or a truncated one");
    const auto header = read_json({reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<std::size_t>(length)},
                                  "the safetensors header");
    if (!header) return header.fault();
    const auto data = bytes.subspan(8 + static_cast<std::size_t>(length));
    safetensors out;
    for (const auto& [name, entry] : header->items()) {
        if (name == "__metadata__") {
            if (!entry.is_object() || !std::ranges::all_of(entry, [](const auto& text) { return text.is_string(); }))
                return make_fault(errc::corrupt, "the header's '__metadata__' is no map of strings");
            continue;
        }
        auto read = read_entry(name, entry, data);
        if (!read) return read.fault();
        out.tensors_.push_back(std::move(read).value());
    }
    std::ranges::sort(out.tensors_, [](const auto& a, const auto& b) {
        return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
    });
    const std::byte* expected = data.data();
    for (const auto& each : out.tensors_) {
        if (each.data.data() != expected)
            return make_fault(errc::corrupt,
                              "the bytes before tensor " + in_quotes(each.name) + " belong to no tensor, or to two");
        expected += each.data.size();
    }
    if (expected != data.data() + data.size())
        return make_fault(errc::corrupt, "the file ends in bytes that belong to no tensor");
    return out;
}

} // namespace ashlar::support
