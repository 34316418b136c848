// SPDX-License-Identifier: Apache-2.0
// What the golden test programs share: the model file, the committed data, and how to stop with a sentence.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <support/gguf.hpp>

namespace golden {

[[noreturn]] inline void stop(const std::string& why) {
    std::fprintf(stderr, "golden: %s\n", why.c_str());
    std::exit(2);
}

// The model that the golden data was made from: the environment's ASHLAR_MODEL, or where test/run puts it.
inline ashlar::support::gguf_file open_model() {
    const char* given = std::getenv("ASHLAR_MODEL");
    auto file = ashlar::support::gguf_file::open(given ? given : ASHLAR_MODEL_DEFAULT);
    if (!file)
        stop(file.fault().sentence + "; set ASHLAR_MODEL to SmolLM2-135M-Instruct's Q4_1 GGUF (test/run fetches it)");
    return std::move(file).value();
}

// Which version of a package made the golden data: versions.json, which its scripts write.
inline std::string version_of(const std::string& package) {
    std::ifstream in(std::string(ASHLAR_GOLDEN_DATA) + "/versions.json");
    const std::string text{std::istreambuf_iterator<char>(in), {}}, key = "\"" + package + "\": \"";
    const std::size_t from = text.find(key);
    if (from == std::string::npos) stop("versions.json does not know " + package);
    return text.substr(from + key.size(), text.find('"', from + key.size()) - from - key.size());
}

// Reads a committed little-endian file front to back.
class data {
public:
    explicit data(const std::string& name) : name_(name) {
        std::ifstream in(std::string(ASHLAR_GOLDEN_DATA) + "/" + name, std::ios::binary);
        if (!in) stop("cannot read the golden file " + name);
        bytes_.assign(std::istreambuf_iterator<char>(in), {});
    }
    template <class T>
    std::vector<T> take(std::size_t count) {
        if (count > (bytes_.size() - at_) / sizeof(T)) stop("the golden file " + name_ + " ends too early");
        std::vector<T> out(count);
        if (count > 0) std::memcpy(out.data(), bytes_.data() + at_, count * sizeof(T));
        at_ += count * sizeof(T);
        return out;
    }
    template <class T>
    T one() {
        return take<T>(1)[0];
    }
    bool done() const { return at_ == bytes_.size(); }

private:
    std::string name_;
    std::vector<char> bytes_;
    std::size_t at_ = 0;
};

} // namespace golden
