// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>

#include <support/safetensors.hpp>

using namespace ashlar;
using support::safetensors;

namespace {

std::string file_of(const std::string& header, std::size_t data) {
    const std::uint64_t length = header.size();
    std::string out(8, '\0');
    std::memcpy(out.data(), &length, 8);
    out += header;
    for (std::size_t i = 0; i < data; ++i) out += static_cast<char>(i);
    return out;
}

// At an address of their own, exactly as long as they are: the sanitizer sees a read past their end.
struct exact {
    std::unique_ptr<std::byte[]> data;
    std::size_t size;
    explicit exact(const std::string& bytes) : data(new std::byte[bytes.size()]), size(bytes.size()) {
        std::memcpy(data.get(), bytes.data(), size);
    }
    std::span<const std::byte> span() const { return {data.get(), size}; }
};

void refused(const std::string& bytes, errc code, std::string_view sentence = "") {
    const exact held(bytes);
    const auto parsed = safetensors::parse(held.span());
    REQUIRE_FALSE(parsed);
    CAPTURE(parsed.fault().sentence);
    CHECK(parsed.fault().what.code == code);
    CHECK(parsed.fault().sentence.find(sentence) != std::string::npos);
}

const std::string good = R"({"__metadata__":{"format":"pt"},)"
                         R"("b":{"dtype":"F32","shape":[3],"data_offsets":[12,24]},)"
                         R"("a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
                         R"("none":{"dtype":"F16","shape":[0,4],"data_offsets":[24,24]},)"
                         R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[24,32]}})";

} // namespace

TEST_CASE("tensors are found where the header says, in the order of their bytes") {
    const exact held(file_of(good, 32));
    const auto file = safetensors::parse(held.span());
    REQUIRE(file);
    REQUIRE(file->tensors().size() == 4);
    const auto& a = file->tensors()[0];
    CHECK(a.name == "a");
    const auto weights = a.weights();
    REQUIRE(weights);
    CHECK(weights->format == kernel::weight_format::bf16);
    CHECK(weights->rows == 2);
    CHECK(weights->columns == 3);
    CHECK(weights->data == held.span().data() + 8 + good.size());
    const auto row = file->tensors()[1].weights();
    REQUIRE(row);
    CHECK(row->rows == 1);
    CHECK(row->columns == 3);
    for (const std::size_t odd : {2, 3}) {
        const auto none = file->tensors()[odd].weights();
        REQUIRE_FALSE(none);
        CHECK(none.fault().what.code == errc::unsupported);
    }
}

TEST_CASE("a file cut at any byte, or longer than its tensors, is refused") {
    const std::string whole = file_of(good, 32);
    for (std::size_t size = 0; size < whole.size(); ++size) refused(whole.substr(0, size), errc::corrupt);
    refused(whole + "x", errc::corrupt, "belong to no tensor");
}

TEST_CASE("any flipped bit gives a typed error or tensors within the file, never more") {
    const std::string whole = file_of(good, 32);
    std::size_t kept = 0, refusals = 0;
    for (std::size_t bit = 0; bit < (8 + good.size()) * 8; ++bit) {
        std::string flipped = whole;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        const exact held(flipped);
        const auto parsed = safetensors::parse(held.span());
        if (!parsed) {
            CHECK(parsed.fault().sentence.size() > 10);
            ++refusals;
            continue;
        }
        ++kept;
        unsigned sum = 0;
        for (const auto& tensor : parsed->tensors())
            for (const std::byte b : tensor.data) sum += std::to_integer<unsigned>(b);
        CHECK(sum == 31 * 32 / 2);
    }
    CHECK(kept > 0); // another letter in a name is no crime
    CHECK(refusals > kept);
}

TEST_CASE("headers that lie are refused by the tensor's name") {
    const auto one = [](const std::string& entry) { return file_of("{\"t\":" + entry + "}", 8); };
    const auto lie = [&](const std::string& entry, std::string_view sentence, errc code = errc::corrupt) {
        refused(one(entry), code, sentence);
    };
    lie(R"({"dtype":"F32","shape":[2],"data_offsets":[0,12]})", "truncated or an offset in it lies");
    lie(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", "lies at 8 to 0");
    lie(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})", "'t' lies at");
    lie(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", "its shape asks for 12");
    lie(R"({"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,8]})", "overflows");
    lie(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", "'t' has no dtype");
    lie(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", "'t' has no dtype");
    lie(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})", "'t' has no dtype");
    lie(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})", "'t' has no dtype");
    lie(R"({"dtype":4,"shape":[2],"data_offsets":[0,8]})", "'t' has no dtype");
    lie(R"({"dtype":"F4","shape":[2],"data_offsets":[0,8]})", "unknown type 'F4'", errc::unsupported);
    lie(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", "twice");
    lie(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", "belong to no tensor");
    lie("[]", "'t' has no dtype");
    refused(file_of("[]", 0), errc::corrupt, "no JSON object");
    refused(file_of(R"({"__metadata__":{"format":1}})", 0), errc::corrupt, "__metadata__");
    refused(file_of("{\"t\xff\":{}}", 0), errc::corrupt, "no JSON object");
    refused(file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                    R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                    6),
            errc::corrupt, "to two");
    refused(file_of("{\"t\":" + std::string(100000, '['), 0), errc::unsupported, "nests deeper");
}

TEST_CASE("a header length that lies is refused before anything is allocated for it") {
    for (const std::uint64_t lie : {std::uint64_t{33}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
        std::string bytes(40, ' ');
        std::memcpy(bytes.data(), &lie, 8);
        refused(bytes, errc::corrupt, "header claims");
    }
}
