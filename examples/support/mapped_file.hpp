// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only. Movable; what points into it dies with it.
//
//     auto mapped = support::mapped_file::open("model.gguf");   parse(mapped->bytes());   mapped->release_pages();
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <support/outcome.hpp>

namespace ashlar::support {

class mapped_file {
public:
    static outcome<mapped_file> open(const std::string& path); // io, with the system's own number
    mapped_file(mapped_file&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    mapped_file& operator=(mapped_file&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~mapped_file();

    std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

    // Gives the resident pages back to the system, after the weights were repacked. They are read again from the file
    // if anybody looks.
    void release_pages() const;

private:
    mapped_file(void* data, std::size_t size) : data_(data), size_(size) {}

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace ashlar::support
