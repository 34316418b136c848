// SPDX-License-Identifier: Apache-2.0
#include <support/gguf.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <type_traits>

static_assert(std::endian::native == std::endian::little,
              "GGUF numbers are read in place: little-endian machines only");

namespace ashlar::support {
namespace {

using kind = gguf::kind;

constexpr std::uint64_t key_length_max = 65535; // the format's own limit
constexpr std::uint64_t name_length_max = 64;   // GGML_MAX_NAME, the format's own limit
constexpr std::uint64_t alignment_default = 32;
constexpr std::uint64_t alignment_max = 1u << 20;
constexpr int nesting_max = 4; // arrays of arrays: no known file has any

// Bytes of one element of a number; 0 for what has no fixed size.
constexpr std::uint64_t size_of(kind type) {
    switch (type) {
    case kind::u8:
    case kind::i8:
    case kind::boolean:
        return 1;
    case kind::u16:
    case kind::i16:
        return 2;
    case kind::u32:
    case kind::i32:
    case kind::f32:
        return 4;
    case kind::u64:
    case kind::i64:
    case kind::f64:
        return 8;
    case kind::string:
    case kind::array:
        return 0;
    }
    return 0;
}

// The least that one element takes in the file: it bounds every count by the bytes that are left.
constexpr std::uint64_t least_size_of(kind type) {
    return type == kind::string ? 8 : type == kind::array ? 12 : size_of(type);
}

constexpr std::string_view name_of(kind type) {
    constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                          "bool", "string", "array", "u64", "i64", "f64"};
    return names[static_cast<std::size_t>(type)];
}

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

std::string at(std::uint64_t offset) { return " (at byte " + std::to_string(offset) + ")"; }

template <class T>
T load(std::span<const std::byte> bytes, std::uint64_t offset) {
    T out;
    std::memcpy(&out, bytes.data() + offset, sizeof out);
    return out;
}

// Calls take(x) with the number of type `type` at `offset`, as its own C++ type.
template <class Take>
void visit_number(std::span<const std::byte> bytes, kind type, std::uint64_t offset, Take&& take) {
    switch (type) {
    case kind::u8:
        return take(load<std::uint8_t>(bytes, offset));
    case kind::i8:
        return take(load<std::int8_t>(bytes, offset));
    case kind::u16:
        return take(load<std::uint16_t>(bytes, offset));
    case kind::i16:
        return take(load<std::int16_t>(bytes, offset));
    case kind::u32:
        return take(load<std::uint32_t>(bytes, offset));
    case kind::i32:
        return take(load<std::int32_t>(bytes, offset));
    case kind::u64:
        return take(load<std::uint64_t>(bytes, offset));
    case kind::i64:
        return take(load<std::int64_t>(bytes, offset));
    case kind::f32:
        return take(load<float>(bytes, offset));
    case kind::f64:
        return take(load<double>(bytes, offset));
    case kind::boolean:
    case kind::string:
    case kind::array:
        return;
    }
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

namespace {

// Gathers the facts of a Llama or a relative; the first failure sticks.
class facts_reader {
public:
    explicit facts_reader(const gguf& file) : file_(file) {}

    outcome<model::llama_facts> run() {
        dimensions();
        refuse_variants();
        tensors();
        if (fault_) return *fault_;
        return facts_;
    }

private:
    static constexpr std::uint64_t layers_max = 1024, width_max = 1u << 20, tokens_max = 1u << 24;

    void fail(errc code, std::string sentence) {
        if (!fault_) fault_ = make_fault(code, std::move(sentence));
    }

    std::uint32_t count(std::string_view key, std::uint64_t max) {
        if (fault_) return 1;
        const auto found = file_.count(key);
        if (!found) return fault_ = found.fault(), 1;
        if (*found == 0 || *found > max)
            return fail(errc::out_of_range, "metadata " + in_quotes(key) + " is " + std::to_string(*found) +
                                                ", outside 1 to " + std::to_string(max)),
                   1;
        return static_cast<std::uint32_t>(*found);
    }

    std::uint32_t count_or(std::string_view key, std::uint64_t max, std::uint32_t otherwise) {
        return file_.has(key) ? count(key, max) : otherwise;
    }

    float positive(std::string_view key, std::optional<float> otherwise) {
        if (fault_) return 1;
        if (!file_.has(key) && otherwise) return *otherwise;
        const auto found = file_.number(key);
        if (!found) return fault_ = found.fault(), 1;
        const float out = static_cast<float>(*found);
        if (!(out > 0) || !std::isfinite(out))
            return fail(errc::out_of_range, "metadata " + in_quotes(key) + " is not a positive number"), 1;
        return out;
    }

    // A key of the file's own architecture.
    std::string own(std::string_view part) const { return architecture_ + "." + std::string(part); }

    void dimensions() {
        const auto architecture = file_.text("general.architecture");
        if (!architecture) return void(fault_ = architecture.fault());
        if (*architecture != "llama" && *architecture != "qwen2" && *architecture != "qwen3")
            return fail(errc::unsupported, "the model's architecture is " + in_quotes(*architecture) +
                                               "; 'llama', 'qwen2' and 'qwen3' are served");
        architecture_ = *architecture;
        facts_.rope_halves = architecture_ != "llama"; // whose rows the converter permutes for interleaved pairs
        facts_.qk_norm = architecture_ == "qwen3";
        facts_.qkv_bias = architecture_ == "qwen2" || file_.has_tensor("blk.0.attn_q.bias");
        facts_.rope_factors = file_.has_tensor("rope_freqs.weight");
        facts_.layers = count(own("block_count"), layers_max);
        facts_.hidden = count(own("embedding_length"), width_max);
        facts_.ffn = count(own("feed_forward_length"), width_max);
        facts_.heads = count(own("attention.head_count"), width_max);
        facts_.kv_heads = count_or(own("attention.head_count_kv"), width_max, facts_.heads);
        facts_.context = count(own("context_length"), tokens_max);
        facts_.rope_base = positive(own("rope.freq_base"), 10000.0f); // llama.cpp's default
        facts_.rms_epsilon = positive(own("attention.layer_norm_rms_epsilon"), {});
        if (fault_) return;
        if (!file_.has(own("attention.key_length")) && facts_.hidden % facts_.heads != 0)
            return fail(errc::invalid_argument, "the width " + std::to_string(facts_.hidden) +
                                                    " does not divide into " + std::to_string(facts_.heads) + " heads");
        facts_.head_dim = count_or(own("attention.key_length"), width_max, facts_.hidden / facts_.heads);
        if (fault_) return;
        if (facts_.heads % facts_.kv_heads != 0)
            return fail(errc::invalid_argument, std::to_string(facts_.heads) + " query heads do not divide into " +
                                                    std::to_string(facts_.kv_heads) + " KV heads");
        if (facts_.head_dim % 2 != 0)
            return fail(errc::invalid_argument, "heads of " + std::to_string(facts_.head_dim) +
                                                    " dimensions: rotary positions need an even number");
        if (count_or(own("attention.value_length"), width_max, facts_.head_dim) != facts_.head_dim)
            return fail(errc::unsupported, "values and keys of different head dimensions are not served");
        if (count_or(own("rope.dimension_count"), width_max, facts_.head_dim) != facts_.head_dim)
            return fail(errc::unsupported, "rotary positions over a part of the head are not served (" +
                                               in_quotes(own("rope.dimension_count")) + ")");
        const auto embedding = file_.tensor("token_embd.weight");
        if (!embedding) return void(fault_ = embedding.fault());
        facts_.vocabulary = count_or(own("vocab_size"), tokens_max, embedding->rows);
        facts_.tied_head = !file_.has_tensor("output.weight");
    }

    // What would change the answer and is not computed is refused, never ignored.
    void refuse_variants() {
        if (fault_) return;
        if (const auto scaling = file_.text(own("rope.scaling.type")); scaling && *scaling != "none")
            return fail(errc::unsupported, "rotary scaling " + in_quotes(*scaling) + " is not served (" +
                                               in_quotes(own("rope.scaling.type")) + ")");
        for (const std::string& key : {own("rope.scale_linear"), own("rope.scaling.factor")})
            if (const auto scale = file_.number(key); scale && *scale != 1.0)
                return fail(errc::unsupported, "rotary scaling is not served (" + in_quotes(key) + ")");
        for (const std::string& key : {own("expert_count"), own("attention.sliding_window")})
            if (const auto used = file_.count(key); used && *used != 0)
                return fail(errc::unsupported, "metadata " + in_quotes(key) + " asks for something that is not served");
    }

    void expect(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
        if (fault_) return;
        const auto found = file_.tensor(name);
        if (!found) return void(fault_ = found.fault());
        if (found->rows != rows || found->columns != columns)
            return fail(errc::invalid_argument, "tensor " + in_quotes(name) + " is " + std::to_string(found->rows) +
                                                    " x " + std::to_string(found->columns) +
                                                    "; the metadata asks for " + std::to_string(rows) + " x " +
                                                    std::to_string(columns));
        if (rows == 1 && found->format != kernel::weight_format::f32)
            return fail(errc::unsupported, "tensor " + in_quotes(name) + " is a vector that is not stored as F32");
        names_.push_back(name);
    }

    void tensors() {
        if (fault_) return;
        const std::uint64_t query = std::uint64_t{facts_.heads} * facts_.head_dim;
        const std::uint64_t shared = std::uint64_t{facts_.kv_heads} * facts_.head_dim;
        expect("token_embd.weight", facts_.vocabulary, facts_.hidden);
        expect("output_norm.weight", 1, facts_.hidden);
        if (!facts_.tied_head) expect("output.weight", facts_.vocabulary, facts_.hidden);
        if (facts_.rope_factors) expect("rope_freqs.weight", 1, facts_.head_dim / 2);
        for (std::uint32_t layer = 0; layer < facts_.layers && !fault_; ++layer) {
            const std::string block = "blk." + std::to_string(layer) + ".";
            if (facts_.qkv_bias) {
                expect(block + "attn_q.bias", 1, query);
                expect(block + "attn_k.bias", 1, shared);
                expect(block + "attn_v.bias", 1, shared);
            }
            if (facts_.qk_norm) {
                expect(block + "attn_q_norm.weight", 1, facts_.head_dim);
                expect(block + "attn_k_norm.weight", 1, facts_.head_dim);
            }
            expect(block + "attn_norm.weight", 1, facts_.hidden);
            expect(block + "attn_q.weight", query, facts_.hidden);
            expect(block + "attn_k.weight", shared, facts_.hidden);
            expect(block + "attn_v.weight", shared, facts_.hidden);
            expect(block + "attn_output.weight", facts_.hidden, query);
            expect(block + "ffn_norm.weight", 1, facts_.hidden);
            expect(block + "ffn_gate.weight", facts_.ffn, facts_.hidden);
            expect(block + "ffn_up.weight", facts_.ffn, facts_.hidden);
            expect(block + "ffn_down.weight", facts_.hidden, facts_.ffn);
        }
        if (fault_ || names_.size() == file_.tensors().size()) return;
        std::ranges::sort(names_);
        for (const auto& entry : file_.tensors()) // what is here and was not asked for would change the answer
            if (!std::ranges::binary_search(names_, entry.name, std::less<>{}))
                return fail(errc::unsupported, "tensor " + in_quotes(entry.name) + " is no part of a " + architecture_ +
                                                   " of " + std::to_string(facts_.layers) +
                                                   " layers; ignoring it would change the answer");
    }

    const gguf& file_;
    model::llama_facts facts_{};
    std::string architecture_;
    std::vector<std::string> names_; // of all tensors that there should be
    std::optional<fault> fault_;
};

} // namespace

outcome<model::llama_facts> gguf::facts() const { return facts_reader(*this).run(); }

outcome<gguf_file> gguf_file::open(const std::string& path) {
    auto mapped = mapped_file::open(path);
    if (!mapped) return mapped.fault();
    auto directory = gguf::parse(mapped->bytes());
    if (!directory) return make_fault(directory.fault().what.code, "'" + path + "': " + directory.fault().sentence);
    return gguf_file(std::move(mapped).value(), std::move(directory).value());
}

} // namespace ashlar::support
