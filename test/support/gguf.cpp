// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include <unistd.h>

#include <support/gguf.hpp>
#include <support/tiny_gguf.hpp>
#include <support/tokenizer.hpp>

using namespace ashlar;
using support::gguf;
using test::gguf_writer;

namespace {

// The bytes at an address of their own, exactly as long as they are: the sanitizer sees a read past their end.
class exact {
public:
    explicit exact(std::string_view bytes) : data_(new std::byte[bytes.size()]), size_(bytes.size()) {
        if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
    }
    std::span<const std::byte> span() const { return {data_.get(), size_}; }

private:
    std::unique_ptr<std::byte[]> data_;
    std::size_t size_;
};

std::string tiny() {
    gguf_writer w;
    test::write_tiny_llama(w);
    return w.finish();
}

// Reads everything that a directory offers; what it promises must lie within the bytes.
void use(const gguf& file, std::span<const std::byte> bytes) {
    for (const auto& value : file.values()) {
        CHECK(value.offset <= bytes.size());
        (void)file.text(value.key), (void)file.count(value.key), (void)file.number(value.key),
            (void)file.flag(value.key);
        (void)file.texts(value.key), (void)file.integers(value.key);
    }
    unsigned sum = 0;
    for (const auto& entry : file.tensors()) {
        REQUIRE(entry.offset <= bytes.size());
        REQUIRE(entry.size <= bytes.size() - entry.offset);
        for (std::uint64_t i = 0; i < entry.size; ++i) sum += std::to_integer<unsigned>(bytes[entry.offset + i]);
        (void)file.tensor(entry.name);
    }
    CHECK(sum < 1u << 30);
    if (const auto facts = file.facts(); !facts) CHECK(!facts.fault().sentence.empty());
    if (const auto words = support::tokenizer::from(file); !words) CHECK(!words.fault().sentence.empty());
}

// The fault of a file that must be refused.
support::fault refusal(const std::string& bytes) {
    const exact held(bytes);
    const auto parsed = gguf::parse(held.span());
    REQUIRE(!parsed);
    CHECK(parsed.fault().sentence.size() > 10);
    CHECK(parsed.fault().what.from == origin::app);
    return parsed.fault();
}

void refused(gguf_writer& w, errc code, std::string_view sentence) {
    const auto why = refusal(w.finish());
    CAPTURE(why.sentence);
    CHECK(why.what.code == code);
    CHECK(why.sentence.find(sentence) != std::string::npos);
}

support::fault no_facts(gguf_writer& w) {
    const exact held(w.finish());
    const auto parsed = gguf::parse(held.span());
    REQUIRE(parsed);
    const auto facts = parsed->facts();
    REQUIRE(!facts);
    return facts.fault();
}

} // namespace

TEST_CASE("a small Llama is read back as it was written") {
    const exact held(tiny());
    const auto file = gguf::parse(held.span());
    REQUIRE(file);
    CHECK(file->version() == 3);
    CHECK(file->text("general.architecture").value() == "llama");
    CHECK(file->count("llama.embedding_length").value() == 32);
    CHECK(file->number("llama.attention.layer_norm_rms_epsilon").value() == 1e-5f);
    CHECK(file->tensors().size() == 11);
    const auto facts = file->facts();
    REQUIRE(facts);
    CHECK(facts->layers == 1);
    CHECK(facts->vocabulary == 2);
    CHECK(facts->head_dim == 32);
    CHECK(facts->tied_head);
    const auto query = file->tensor("blk.0.attn_q.weight");
    REQUIRE(query);
    CHECK(query->format == kernel::weight_format::q8_0);
    CHECK(query->rows == 32);
    CHECK(query->data >= held.span().data());
    CHECK(query->data + 32 * 34 <= held.span().data() + held.span().size());
    use(*file, held.span());
}

TEST_CASE("numbers, flags and arrays of every type are read, and asked for wrongly they are refused") {
    gguf_writer w;
    w.number<std::uint8_t>("u8", 0, 200), w.number<std::int8_t>("i8", 1, -3), w.number<std::uint16_t>("u16", 2, 65535);
    w.number<std::int16_t>("i16", 3, -300), w.number<std::uint64_t>("u64", 10, ~std::uint64_t{0}),
        w.number<std::int64_t>("i64", 11, 5);
    w.number<double>("f64", 12, 0.25), w.number<std::uint8_t>("yes", 7, 1), w.f32("nan", std::nanf(""));
    const std::string list[] = {"one", "", "three"};
    w.texts("words", list);
    const std::int32_t numbers[] = {-1, 0, 7};
    w.integers("numbers", numbers);
    const exact held(w.finish());
    const auto file = gguf::parse(held.span());
    REQUIRE(file);
    CHECK(file->count("u8").value() == 200);
    CHECK(file->count("u16").value() == 65535);
    CHECK(file->count("u64").value() == ~std::uint64_t{0});
    CHECK(file->count("i64").value() == 5);
    CHECK(file->number("f64").value() == 0.25);
    CHECK(file->flag("yes").value());
    CHECK(file->texts("words").value() == std::vector<std::string_view>{"one", "", "three"});
    CHECK(file->integers("numbers").value() == std::vector<std::int64_t>{-1, 0, 7});
    for (const char* negative : {"i8", "i16"}) CHECK(file->count(negative).fault().what.code == errc::invalid_argument);
    CHECK(file->number("nan").fault().what.code == errc::invalid_argument);
    CHECK(file->text("u8").fault().what.code == errc::invalid_argument);
    CHECK(file->flag("u8").fault().what.code == errc::invalid_argument);
    CHECK(file->texts("numbers").fault().what.code == errc::invalid_argument);
    CHECK(file->integers("words").fault().what.code == errc::invalid_argument);
    CHECK(file->count("absent").fault().what.code == errc::not_found);
    CHECK(file->tensor("absent").fault().what.code == errc::not_found);
}

TEST_CASE("a file cut at any byte is refused") {
    const std::string whole = tiny();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto why = refusal(whole.substr(0, size));
        CHECK((why.what.code == errc::corrupt || (size < 8 && why.what.code == errc::unsupported)));
    }
}

TEST_CASE("any flipped bit of the header gives a typed error or a file that can be used, never more") {
    gguf_writer w;
    test::write_tiny_llama(w);
    test::vocabulary words;
    words.tokens.resize(8), words.kinds.resize(8);
    words.add("<|im_end|>", 3);
    words.add(words.tokens[0] + words.tokens[1]);
    words.merge(words.tokens[0], words.tokens[1]);
    words.write(w);
    w.number<std::uint8_t>("tokenizer.ggml.add_bos_token", 7, 0);
    const std::string whole = w.finish();
    std::size_t kept = 0, refusals = 0;
    for (std::size_t bit = 0; bit < w.header_size * 8; ++bit) {
        std::string flipped = whole;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        const exact held(flipped);
        const auto parsed = gguf::parse(held.span());
        if (parsed) {
            use(*parsed, held.span());
            ++kept;
        } else {
            CHECK(parsed.fault().sentence.size() > 10);
            ++refusals;
        }
    }
    CHECK(kept > 0); // another letter in a key is no crime
    CHECK(refusals > kept / 10);
}

TEST_CASE("a header that is not a little-endian GGUF 2 or 3 is refused by name") {
    CHECK(refusal("GGML----------------------------").sentence.find("GGUF") != std::string::npos);
    for (const std::uint32_t version : {0u, 1u, 4u, 0x02000000u, 0x03000000u, ~0u}) {
        gguf_writer w;
        w.version = version;
        refused(w, errc::unsupported, version == 0x03000000 ? "big-endian" : "");
    }
    gguf_writer old;
    test::write_tiny_llama(old);
    old.version = 2;
    const exact held(old.finish());
    CHECK(gguf::parse(held.span()));
}

TEST_CASE("counts that lie are refused before anything is allocated for them") {
    for (const std::uint64_t lie : {std::uint64_t{1} << 20, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
        gguf_writer tensors, values;
        tensors.tensor_count = lie;
        refused(tensors, errc::corrupt, "more than the file can hold");
        values.value_count = lie;
        refused(values, errc::corrupt, "more than the file can hold");
        gguf_writer list;
        std::string payload;
        gguf_writer::put<std::uint32_t>(payload, 5);
        gguf_writer::put<std::uint64_t>(payload, lie);
        list.raw_value("list", 9, payload + "0123456789");
        refused(list, errc::corrupt, "more than the file holds");
    }
}

TEST_CASE("lengths that lie are refused") {
    for (const std::uint64_t lie :
         {std::uint64_t{100}, std::uint64_t{1} << 32, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
        gguf_writer w;
        std::string payload;
        gguf_writer::put(payload, lie);
        w.raw_value("text", 8, payload + "short");
        refused(w, errc::corrupt, "the file ends inside metadata 'text'");
    }
    std::string key = tiny(); // the first key's length
    for (const std::uint64_t lie : {std::uint64_t{65536}, ~std::uint64_t{0}}) {
        std::memcpy(key.data() + 24, &lie, 8);
        CHECK(refusal(key).what.code == errc::corrupt);
    }
    gguf_writer empty_key, empty_name, long_name;
    empty_key.u32("", 1);
    refused(empty_key, errc::corrupt, "is empty");
    empty_name.tensor("", {32}, 0, 128);
    refused(empty_name, errc::corrupt, "is empty");
    long_name.tensor(std::string(65, 'n'), {32}, 0, 128);
    refused(long_name, errc::corrupt, "claims 65 bytes");
}

TEST_CASE("types that do not exist or cannot be read are refused by name") {
    gguf_writer value, element, truth, unknown, quantised;
    value.raw_value("odd", 13, "........");
    refused(value, errc::corrupt, "'odd' has the unknown type 13");
    std::string payload;
    gguf_writer::put<std::uint32_t>(payload, 99);
    element.raw_value("odd", 9, payload + std::string(12, '\0'));
    refused(element, errc::corrupt, "unknown type 99");
    truth.number<std::uint8_t>("flag", 7, 2);
    refused(truth, errc::corrupt, "neither true nor false");
    unknown.tensor("t", {32}, 4, 128);
    refused(unknown, errc::unsupported, "number 4");
    quantised.tensor("t", {256}, 10, 84);
    refused(quantised, errc::unsupported, "Q2_K");
}

TEST_CASE("shapes that lie are refused") {
    const auto shape = [](std::uint32_t dimensions, std::initializer_list<std::uint64_t> extent, std::uint32_t type,
                          std::string_view sentence) {
        gguf_writer w;
        w.raw_tensor("t", dimensions, extent, type, 0);
        refused(w, errc::corrupt, sentence);
    };
    const std::uint64_t huge = std::uint64_t{1} << 62;
    shape(0, {}, 0, "0 dimensions");
    shape(5, {1, 1, 1, 1, 1}, 0, "5 dimensions");
    shape(~0u, {1}, 0, "dimensions");
    shape(2, {32, 0}, 0, "empty dimension");
    shape(2, {huge, 4}, 0, "overflows");
    shape(1, {huge}, 0, "overflows");
    shape(4, {1u << 31, 1u << 31, 1u << 31, 1u << 31}, 1, "overflows");
    shape(1, {33}, 8, "do not divide into blocks of Q8_0");
    shape(1, {64}, 0, "past the end of the file");
    gguf_writer deep; // a good file, but no weight: weights have one or two dimensions
    deep.tensor("t", {2, 2, 2}, 0, 32);
    const exact held(deep.finish());
    const auto parsed = gguf::parse(held.span());
    REQUIRE(parsed);
    CHECK(parsed->tensor("t").fault().what.code == errc::unsupported);
}

TEST_CASE("offsets that lie are refused: past the end, around the end, unaligned, overlapping") {
    const auto second_at = [](std::uint64_t offset, std::string_view sentence) {
        gguf_writer w;
        w.tensor("first", {32}, 0, 128);
        w.raw_tensor("second", 1, {32}, 0, offset);
        refused(w, errc::corrupt, sentence);
    };
    second_at(128, "past the end");
    second_at(~std::uint64_t{31}, "past the end");
    second_at(std::uint64_t{1} << 63, "past the end");
    second_at(4, "unaligned");
    second_at(0, "overlap");
    gguf_writer within;
    within.tensor("first", {64}, 0, 256);
    within.raw_tensor("second", 1, {8}, 0, 64);
    refused(within, errc::corrupt, "overlap");
}

TEST_CASE("an alignment that is no sensible power of two is refused, a sensible one is obeyed") {
    for (const std::uint32_t lie : {0u, 3u, 48u, 1u << 21, ~0u}) {
        gguf_writer w;
        test::write_tiny_llama(w);
        w.u32("general.alignment", lie);
        refused(w, errc::corrupt, "general.alignment");
    }
    gguf_writer text;
    text.text("general.alignment", "32");
    refused(text, errc::corrupt, "general.alignment");
    gguf_writer fine;
    fine.u32("general.alignment", 8);
    fine.raw_tensor("a", 1, {2}, 0, 8);
    const std::string bytes = fine.finish() + std::string(64, 'x');
    const exact held(bytes);
    const auto file = gguf::parse(held.span());
    REQUIRE(file);
    CHECK(file->tensors()[0].offset == (fine.header_size + 7) / 8 * 8 + 8);
}

TEST_CASE("keys and tensors that stand twice are refused") {
    gguf_writer values, tensors;
    values.u32("same", 1), values.u32("other", 2), values.text("same", "again");
    refused(values, errc::corrupt, "'same' stands twice");
    tensors.tensor("same", {32}, 0, 128), tensors.tensor("same", {32}, 0, 128);
    refused(tensors, errc::corrupt, "'same' stands twice");
}

TEST_CASE("arrays of arrays are walked to a depth and refused beyond it") {
    const auto nested = [](int depth) {
        std::string payload; // one array of one array … of nothing
        for (int i = 0; i < depth; ++i) {
            gguf_writer::put<std::uint32_t>(payload, i + 1 < depth ? 9 : 0);
            gguf_writer::put<std::uint64_t>(payload, i + 1 < depth ? 1 : 0);
        }
        gguf_writer w;
        w.raw_value("nest", 9, payload);
        return w.finish();
    };
    const exact shallow(nested(3));
    CHECK(gguf::parse(shallow.span()));
    for (const int depth : {6, 100, 100'000}) CHECK(refusal(nested(depth)).what.code == errc::unsupported);
}

TEST_CASE("what a file says about its Llama must hold together and be what is computed") {
    const auto with = [](auto&& add) {
        gguf_writer w;
        test::write_tiny_llama(w);
        add(w);
        return no_facts(w);
    };
    CHECK(with([](auto& w) { w.text("llama.rope.scaling.type", "yarn"); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.f32("llama.rope.scale_linear", 2); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.u32("llama.expert_count", 8); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.u32("llama.attention.sliding_window", 128); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.u32("llama.rope.dimension_count", 16); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.u32("llama.attention.key_length", 31); }).what.code == errc::invalid_argument);
    CHECK(with([](auto& w) { w.u32("llama.vocab_size", 3); }).what.code == errc::invalid_argument);
    CHECK(with([](auto& w) { w.tensor("blk.0.attn_q.bias", {32}, 0, 128); }).what.code == errc::not_found); // k's
    CHECK(with([](auto& w) { w.tensor("blk.0.attn_k.bias", {32}, 0, 128); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.tensor("blk.0.attn_output.bias", {32}, 0, 128); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.tensor("blk.0.attn_q_norm.weight", {32}, 0, 128); }).what.code == errc::unsupported);
    CHECK(with([](auto& w) { w.tensor("rope_freqs.weight", {32}, 0, 128); }).what.code == errc::invalid_argument);
    CHECK(with([](auto& w) { w.tensor("blk.1.attn_norm.weight", {32}, 0, 128); }).what.code == errc::unsupported);
    gguf_writer empty, other;
    CHECK(no_facts(empty).what.code == errc::not_found);
    other.text("general.architecture", "mamba");
    CHECK(no_facts(other).sentence.find("'mamba'") != std::string::npos);
}

TEST_CASE("a hostile name cannot write control characters into a sentence") {
    gguf_writer w;
    w.raw_value("\x1b[2J\n'evil'", 77, "");
    const auto why = refusal(w.finish());
    for (const char c : why.sentence) CHECK((c >= 0x20 && c < 0x7f));
}

TEST_CASE("files that cannot be opened or mapped say why, and a mapped one survives being moved") {
    const auto absent = support::gguf_file::open("no such folder/model.gguf");
    REQUIRE(!absent);
    CHECK(absent.fault().what.code == errc::io);
    CHECK(absent.fault().what.os_code == ENOENT);
    CHECK(support::gguf_file::open("/").fault().what.os_code == EISDIR);
    CHECK(!support::gguf_file::open("/dev/null"));

    char path[] = "/tmp/ashlar-gguf-XXXXXX";
    const int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    CHECK(!support::gguf_file::open(path)); // empty
    const std::string bytes = tiny();
    REQUIRE(write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    auto file = support::gguf_file::open(path);
    REQUIRE(file);
    support::gguf_file moved = std::move(file).value();
    CHECK(moved.size() == bytes.size());
    CHECK(moved.facts());
    moved.release_pages();
    CHECK(std::memcmp(moved->tensors()[0].name.data(), "blk.0", 5) == 0);
    REQUIRE(ftruncate(descriptor, static_cast<off_t>(bytes.size() - 1)) == 0);
    const auto cut = support::gguf_file::open(path);
    REQUIRE(!cut);
    CHECK(cut.fault().sentence.find(path) != std::string::npos);
    close(descriptor);
    unlink(path);
}
