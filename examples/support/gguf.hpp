// SPDX-License-Identifier: Apache-2.0
// Reads GGUF model files, versions 2 and 3, without trusting them: every length is checked against the bytes that are
// there before it is used, counts are bounded by the file's size, and a refusal names the field or tensor and its
// offset. Nothing is copied: strings and tensors point into the mapping, which must outlive them.
//
//     auto file = support::gguf_file::open("model.gguf");
//     auto facts = file->facts();                              // Llama's dimensions, or a sentence
//     auto weights = file->tensor("blk.0.attn_q.weight");      // kernel::weight_view into the mapping
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Thread-safe once open.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ashlar/core/siphash.hpp>
#include <ashlar/kernel/weight.hpp>
#include <ashlar/model/llama.hpp>

#include <support/mapped_file.hpp>
#include <support/outcome.hpp>
#include <support/tokenizer.hpp>

namespace ashlar::support {

// The directory of a GGUF file that lies in memory. `bytes` must outlive it.
class gguf {
public:
    enum class kind : std::uint32_t {
        u8,
        i8,
        u16,
        i16,
        u32,
        i32,
        f32,
        boolean,
        string,
        array,
        u64,
        i64,
        f64 // the numbers are the format's
    };
    struct value {
        std::string_view key;
        kind type;
        kind element;         // of an array: what it holds
        std::uint64_t count;  // of an array: how many; otherwise 1
        std::uint64_t offset; // of the first element's bytes from the start of the file
    };
    struct tensor_entry {
        std::string_view name;
        kernel::weight_format format;
        std::uint32_t dimensions;   // 1 to 4
        std::uint64_t extent[4];    // fastest first; unused ones are 1
        std::uint64_t offset, size; // bytes from the start of the file
    };

    static outcome<gguf> parse(std::span<const std::byte> bytes);

    std::uint32_t version() const { return version_; }
    std::span<const value> values() const { return values_; }          // sorted by key
    std::span<const tensor_entry> tensors() const { return tensors_; } // sorted by name

    // Metadata by key: errc::not_found when absent, errc::invalid_argument when of another type or out of range.
    outcome<std::string_view> text(std::string_view key) const;
    outcome<std::uint64_t> count(std::string_view key) const; // any integer type, not negative
    outcome<double> number(std::string_view key) const;       // f32 or f64, finite
    outcome<bool> flag(std::string_view key) const;
    outcome<std::vector<std::string_view>> texts(std::string_view key) const; // array of strings
    outcome<std::vector<std::int64_t>> integers(std::string_view key) const;  // array of any integer type
    bool has(std::string_view key) const { return find(key) != nullptr; }

    // Tensors of one dimension are one row. errc::not_found, or errc::unsupported for three dimensions and more.
    outcome<kernel::weight_view> tensor(std::string_view name) const;
    bool has_tensor(std::string_view name) const { return find_tensor(name) != nullptr; }

    // Everything `model::decoder` must know; also checks that exactly the tensors of a Llama are there, in its shapes.
    outcome<model::llama_facts> facts() const;

private:
    friend class gguf_parser;
    const value* find(std::string_view key) const;
    const tensor_entry* find_tensor(std::string_view name) const;

    std::span<const std::byte> bytes_;
    std::uint32_t version_ = 0;
    std::vector<value> values_;
    std::vector<tensor_entry> tensors_;
};

// A GGUF file mapped read-only: a model_source (model_file.hpp). Movable; views into it die with it.
class gguf_file {
public:
    static outcome<gguf_file> open(const std::string& path);

    const gguf& directory() const { return directory_; }
    const gguf* operator->() const { return &directory_; }
    outcome<kernel::weight_view> tensor(std::string_view name) const { return directory_.tensor(name); }
    outcome<model::llama_facts> facts() const { return directory_.facts(); }
    outcome<tokenizer> words() const { return tokenizer::from(directory_); }
    outcome<std::string_view> chat_program() const { return directory_.text("tokenizer.chat_template"); }
    digest128 fingerprint() const; // of all that comes before the weights
    std::size_t size() const { return mapped_.bytes().size(); }
    void release_pages() const { mapped_.release_pages(); }

private:
    gguf_file(mapped_file mapped, gguf directory) : mapped_(std::move(mapped)), directory_(std::move(directory)) {}

    mapped_file mapped_;
    gguf directory_;
};

} // namespace ashlar::support
