// SPDX-License-Identifier: Apache-2.0
#include <support/gguf.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <support/gguf_bytes.hpp>
#include <support/model_digest.hpp>

namespace ashlar::support {

using namespace gguf_bytes;

namespace {

constexpr std::uint64_t key_length_max = 65535; // the format's own limit
constexpr std::uint64_t name_length_max = 64;   // GGML_MAX_NAME, the format's own limit
constexpr std::uint64_t alignment_default = 32;
constexpr std::uint64_t alignment_max = 1u << 20;
constexpr int nesting_max = 4; // arrays of arrays: no known file has any

struct storage {
    std::uint32_t id;
    std::string_view name;
    kernel::weight_format format;
};
// ggml's type numbers, https://github.com/ggml-org/ggml/blob/master/include/ggml.h
constexpr storage storages[] = {{0, "F32", kernel::weight_format::f32},    {1, "F16", kernel::weight_format::f16},
                                {2, "Q4_0", kernel::weight_format::q4_0},  {3, "Q4_1", kernel::weight_format::q4_1},
                                {6, "Q5_0", kernel::weight_format::q5_0},  {7, "Q5_1", kernel::weight_format::q5_1},
                                {8, "Q8_0", kernel::weight_format::q8_0},  {12, "Q4_K", kernel::weight_format::q4_k},
                                {13, "Q5_K", kernel::weight_format::q5_k}, {14, "Q6_K", kernel::weight_format::q6_k},
                                {30, "BF16", kernel::weight_format::bf16}};

constexpr std::pair<std::uint32_t, std::string_view> other_types[] = {
    {9, "Q8_1"},   {10, "Q2_K"},   {11, "Q3_K"},  {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},  {24, "I8"},     {25, "I16"},
    {26, "I32"},   {27, "I64"},    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"}};

std::string known_types() {
    std::string out;
    for (const auto& known : storages) out += (out.empty() ? "" : ", ") + std::string(known.name);
    return out;
}

std::string type_words(std::uint32_t id) {
    for (const auto& [known, name] : other_types)
        if (known == id) return std::string(name);
    return "number " + std::to_string(id);
}

} // namespace

// Reads forward once. The first failure sticks; after it every read yields zero and every loop ends.
class gguf_parser {
public:
    explicit gguf_parser(std::span<const std::byte> bytes) { out_.bytes_ = bytes; }

    outcome<gguf> run() {
        header();
        metadata();
        directory();
        tensor_data();
        if (fault_) return *fault_;
        return std::move(out_);
    }

private:
    std::uint64_t left() const { return out_.bytes_.size() - at_; }

    void fail(errc code, std::string sentence) {
        if (!fault_) fault_ = make_fault(code, std::move(sentence));
    }

    // Moves past `size` bytes and says whether they were there.
    bool skip(std::uint64_t size, const std::string& what) {
        if (fault_) return false;
        if (size > left()) {
            fail(errc::corrupt, "the file ends inside " + what + at(at_) + ": it is truncated or a length in it lies");
            return false;
        }
        at_ += size;
        return true;
    }

    template <class T>
    T take(const std::string& what) {
        const std::uint64_t from = at_;
        return skip(sizeof(T), what) ? load<T>(out_.bytes_, from) : T{};
    }

    std::string_view text(const std::string& what, std::uint64_t length_max) {
        const std::uint64_t length = take<std::uint64_t>("the length of " + what);
        if (length > length_max)
            fail(errc::corrupt, what + " claims " + std::to_string(length) + " bytes" + at(at_ - 8));
        const std::uint64_t from = at_;
        if (!skip(length, what)) return {};
        return {reinterpret_cast<const char*>(out_.bytes_.data()) + from, static_cast<std::size_t>(length)};
    }

    void header() {
        constexpr std::uint32_t magic = 0x46554747; // "GGUF"
        if (take<std::uint32_t>("the magic") != magic)
            fail(errc::corrupt, "not a GGUF file: it does not begin with 'GGUF'");
        out_.version_ = take<std::uint32_t>("the version");
        if (out_.version_ == 0x02000000 || out_.version_ == 0x03000000)
            fail(errc::unsupported, "a big-endian GGUF file: convert it to little-endian first");
        if (out_.version_ != 2 && out_.version_ != 3)
            fail(errc::unsupported, "GGUF version " + std::to_string(out_.version_) + ": only 2 and 3 are read");
        tensor_count_ = take<std::uint64_t>("the tensor count");
        value_count_ = take<std::uint64_t>("the metadata count");
        // least sizes: tensor = name length, 1 character, dimension count, one extent, type, offset
        bound(tensor_count_, 8 + 1 + 4 + 8 + 4 + 8, "tensors");
        bound(value_count_, 8 + 1 + 4 + 1, "metadata values");
    }

    void bound(std::uint64_t count, std::uint64_t least, const std::string& what) {
        if (count > left() / least)
            fail(errc::corrupt,
                 "the header claims " + std::to_string(count) + " " + what + ", more than the file can hold");
    }

    kind kind_of(const std::string& what) {
        const std::uint64_t from = at_;
        const auto number = take<std::uint32_t>("the type of " + what);
        if (number > static_cast<std::uint32_t>(kind::f64))
            fail(errc::corrupt, what + " has the unknown type " + std::to_string(number) + at(from));
        return fault_ ? kind::u8 : static_cast<kind>(number);
    }

    void metadata() {
        if (!fault_) out_.values_.reserve(static_cast<std::size_t>(value_count_));
        for (std::uint64_t i = 0; i < value_count_ && !fault_; ++i) {
            gguf::value value{};
            value.key = text("metadata key " + std::to_string(i), key_length_max);
            if (value.key.empty()) fail(errc::corrupt, "metadata key " + std::to_string(i) + " is empty" + at(at_));
            const std::string what = "metadata " + in_quotes(value.key);
            value.type = value.element = kind_of(what);
            value.count = 1;
            if (value.type == kind::array) {
                value.element = kind_of(what);
                value.count = take<std::uint64_t>("the count of " + what);
            }
            value.offset = at_;
            elements(value.element, value.count, what, value.type == kind::array ? 1 : 0);
            out_.values_.push_back(value);
        }
        std::ranges::sort(out_.values_, {}, &gguf::value::key);
        const auto twin = std::ranges::adjacent_find(out_.values_, {}, &gguf::value::key);
        if (twin != out_.values_.end())
            fail(errc::corrupt, "metadata " + in_quotes(twin->key) + " stands twice in the file");
    }

    void elements(kind type, std::uint64_t count, const std::string& what, int depth) {
        if (fault_) return;
        if (depth > nesting_max) return fail(errc::unsupported, what + " nests arrays too deep" + at(at_));
        if (count > left() / least_size_of(type))
            return fail(errc::corrupt,
                        what + " claims " + std::to_string(count) + " elements, more than the file holds" + at(at_));
        if (type == kind::boolean) {
            for (std::uint64_t i = 0; i < count; ++i)
                if (std::to_integer<int>(out_.bytes_[at_ + i]) > 1)
                    return fail(errc::corrupt, what + " is neither true nor false" + at(at_ + i));
        }
        if (size_of(type) != 0) {
            skip(count * size_of(type), what); // cannot overflow: count was bounded above
            return;
        }
        for (std::uint64_t i = 0; i < count && !fault_; ++i) {
            if (type == kind::string) {
                text(what, std::numeric_limits<std::uint64_t>::max());
            } else {
                const kind inner = kind_of(what);
                elements(inner, take<std::uint64_t>("the count of " + what), what, depth + 1);
            }
        }
    }

    void directory() {
        if (!fault_) out_.tensors_.reserve(static_cast<std::size_t>(tensor_count_));
        for (std::uint64_t i = 0; i < tensor_count_ && !fault_; ++i) {
            gguf::tensor_entry entry{};
            const std::uint64_t from = at_;
            entry.name = text("the name of tensor " + std::to_string(i), name_length_max);
            if (entry.name.empty())
                fail(errc::corrupt, "the name of tensor " + std::to_string(i) + " is empty" + at(from));
            const std::string what = "tensor " + in_quotes(entry.name);
            entry.dimensions = take<std::uint32_t>("the dimension count of " + what);
            if (!fault_ && (entry.dimensions < 1 || entry.dimensions > 4))
                fail(errc::corrupt, what + " has " + std::to_string(entry.dimensions) + " dimensions" + at(from));
            std::ranges::fill(entry.extent, 1);
            std::uint64_t total = 1;
            for (std::uint32_t d = 0; d < entry.dimensions && !fault_; ++d) {
                entry.extent[d] = take<std::uint64_t>("the shape of " + what);
                if (fault_) break;
                if (entry.extent[d] == 0)
                    fail(errc::corrupt, what + " has an empty dimension" + at(from));
                else if (__builtin_mul_overflow(total, entry.extent[d], &total))
                    fail(errc::corrupt, what + " has a shape whose size overflows" + at(from));
            }
            const auto type = take<std::uint32_t>("the type of " + what);
            entry.offset = take<std::uint64_t>("the offset of " + what);
            if (fault_) return;
            const auto* found = std::ranges::find(storages, type, &storage::id);
            if (found == std::end(storages))
                return fail(errc::unsupported, what + " is stored as " + type_words(type) + "; this reader knows " +
                                                   known_types() + at(from));
            entry.format = found->format;
            if (entry.extent[0] % kernel::block_columns(found->format) != 0)
                return fail(errc::corrupt, what + " has rows of " + std::to_string(entry.extent[0]) +
                                               " elements, which do not divide into blocks of " +
                                               std::string(found->name) + at(from));
            if (__builtin_mul_overflow(total / kernel::block_columns(found->format),
                                       std::uint64_t{kernel::block_bytes(found->format)}, &entry.size))
                return fail(errc::corrupt, what + " has a shape whose size overflows" + at(from));
            out_.tensors_.push_back(entry);
        }
        std::ranges::sort(out_.tensors_, {}, &gguf::tensor_entry::name);
        const auto twin = std::ranges::adjacent_find(out_.tensors_, {}, &gguf::tensor_entry::name);
        if (twin != out_.tensors_.end())
            fail(errc::corrupt, "tensor " + in_quotes(twin->name) + " stands twice in the file");
    }

    // Turns offsets relative to the data section into offsets in the file and checks each range against the others.
    void tensor_data() {
        std::uint64_t alignment = alignment_default;
        if (!fault_ && out_.has("general.alignment")) {
            const auto given = out_.count("general.alignment");
            if (!given) return fail(errc::corrupt, given.fault().sentence);
            alignment = *given;
            if (!std::has_single_bit(alignment) || alignment > alignment_max)
                fail(errc::corrupt,
                     "metadata 'general.alignment' is " + std::to_string(alignment) + ", not a sensible power of two");
        }
        if (fault_ || out_.tensors_.empty()) return;
        const std::uint64_t data = (at_ + alignment - 1) / alignment * alignment; // at_ <= file size: no overflow
        const std::uint64_t room = data <= out_.bytes_.size() ? out_.bytes_.size() - data : 0;
        for (auto& entry : out_.tensors_) {
            const std::string what = "tensor " + in_quotes(entry.name);
            if (entry.offset % alignment != 0)
                return fail(errc::corrupt, what + " lies at the unaligned data offset " + std::to_string(entry.offset));
            if (entry.size > room || entry.offset > room - entry.size)
                return fail(errc::corrupt, what + " of " + std::to_string(entry.size) + " bytes at data offset " +
                                               std::to_string(entry.offset) + " reaches past the end of the file");
            entry.offset += data;
        }
        std::vector<const gguf::tensor_entry*> order;
        order.reserve(out_.tensors_.size());
        for (const auto& entry : out_.tensors_) order.push_back(&entry);
        std::ranges::sort(order, {}, &gguf::tensor_entry::offset);
        for (std::size_t i = 1; i < order.size(); ++i)
            if (order[i]->offset < order[i - 1]->offset + order[i - 1]->size)
                return fail(errc::corrupt, "tensors " + in_quotes(order[i - 1]->name) + " and " +
                                               in_quotes(order[i]->name) + " overlap" + at(order[i]->offset));
    }

    gguf out_;
    std::uint64_t at_ = 0, tensor_count_ = 0, value_count_ = 0;
    std::optional<fault> fault_;
};

outcome<gguf> gguf::parse(std::span<const std::byte> bytes) { return gguf_parser(bytes).run(); }

outcome<gguf_file> gguf_file::open(const std::string& path) {
    auto mapped = mapped_file::open(path);
    if (!mapped) return mapped.fault();
    auto directory = gguf::parse(mapped->bytes());
    if (!directory) return make_fault(directory.fault().what.code, "'" + path + "': " + directory.fault().sentence);
    return gguf_file(std::move(mapped).value(), std::move(directory).value());
}

digest128 gguf_file::fingerprint() const {
    std::uint64_t head = size();
    for (const auto& each : directory_.tensors()) head = std::min(head, each.offset);
    return model_digest(mapped_.bytes().first(static_cast<std::size_t>(head)));
}

} // namespace ashlar::support
