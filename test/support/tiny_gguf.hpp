// SPDX-License-Identifier: Apache-2.0
// Writes small GGUF files: a valid Llama with a vocabulary, and pieces to build lying ones from. Shared by the unit
// tests and by the fuzz target's seeds.
//
//     test::gguf_writer w;   w.text("general.architecture", "llama");   w.tensor("t", {32, 2}, 0, 256);
//     const std::string bytes = w.finish();
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

// Type numbers are GGUF's (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
class gguf_writer {
public:
    template <class T>
    static void put(std::string& to, T number) {
        char raw[sizeof number];
        std::memcpy(raw, &number, sizeof number);
        to.append(raw, sizeof number);
    }
    static void put_text(std::string& to, std::string_view text) {
        put<std::uint64_t>(to, text.size());
        to += text;
    }

    void raw_value(std::string_view key, std::uint32_t type, std::string_view payload) {
        put_text(values_, key);
        put(values_, type);
        values_ += payload;
        ++value_count;
    }
    void u32(std::string_view key, std::uint32_t x) { number(key, 4, x); }
    void f32(std::string_view key, float x) { number(key, 6, x); }
    template <class T>
    void number(std::string_view key, std::uint32_t type, T x) {
        std::string payload;
        put(payload, x);
        raw_value(key, type, payload);
    }
    void text(std::string_view key, std::string_view value) {
        std::string payload;
        put_text(payload, value);
        raw_value(key, 8, payload);
    }
    void texts(std::string_view key, std::span<const std::string> list) {
        std::string payload;
        put<std::uint32_t>(payload, 8);
        put<std::uint64_t>(payload, list.size());
        for (const auto& each : list) put_text(payload, each);
        raw_value(key, 9, payload);
    }
    void integers(std::string_view key, std::span<const std::int32_t> list) {
        std::string payload;
        put<std::uint32_t>(payload, 5);
        put<std::uint64_t>(payload, list.size());
        for (const auto each : list) put(payload, each);
        raw_value(key, 9, payload);
    }
    void tensor(std::string_view name, std::initializer_list<std::uint64_t> extent, std::uint32_t type,
                std::uint64_t bytes) {
        raw_tensor(name, static_cast<std::uint32_t>(extent.size()), extent, type, data_size_);
        data_size_ += (bytes + 31) / 32 * 32;
    }
    void raw_tensor(std::string_view name, std::uint32_t dimensions, std::initializer_list<std::uint64_t> extent,
                    std::uint32_t type, std::uint64_t offset) {
        put_text(tensors_, name);
        put(tensors_, dimensions);
        for (const auto x : extent) put(tensors_, x);
        put(tensors_, type);
        put(tensors_, offset);
        ++tensor_count;
    }

    std::string finish() {
        std::string out = "GGUF";
        put(out, version);
        put(out, tensor_count);
        put(out, value_count);
        out += values_;
        out += tensors_;
        header_size = out.size();
        out.resize((out.size() + 31) / 32 * 32 + static_cast<std::size_t>(data_size_), '\0');
        return out;
    }

    std::uint32_t version = 3;
    std::uint64_t tensor_count = 0, value_count = 0; // a test may make them lie before finish()
    std::size_t header_size = 0;                     // set by finish()

private:
    std::string values_, tensors_;
    std::uint64_t data_size_ = 0;
};

// The 256 bytes in GPT-2's alphabet (openai/gpt-2, src/encoder.py, bytes_to_unicode), each as UTF-8.
inline std::vector<std::string> byte_alphabet() {
    std::vector<std::string> out;
    std::uint32_t next = 0x100;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
        const std::uint32_t code = printable ? byte : next++;
        out.push_back(code < 0x80
                          ? std::string(1, static_cast<char>(code))
                          : std::string{static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))});
    }
    return out;
}

struct vocabulary {
    std::vector<std::string> tokens = byte_alphabet(); // ids 0 to 255 are the bytes
    std::vector<std::int32_t> kinds = std::vector<std::int32_t>(256, 1);
    std::vector<std::string> merges;
    std::string pre = "smollm";

    void add(std::string_view token, std::int32_t kind = 1) {
        tokens.emplace_back(token);
        kinds.push_back(kind);
    }
    void merge(std::string_view left, std::string_view right) {
        merges.push_back(std::string(left) + " " + std::string(right));
    }
    void write(gguf_writer& to) const {
        to.text("tokenizer.ggml.model", "gpt2");
        to.text("tokenizer.ggml.pre", pre);
        to.texts("tokenizer.ggml.tokens", tokens);
        to.integers("tokenizer.ggml.token_type", kinds);
        to.texts("tokenizer.ggml.merges", merges);
    }
};

// A Llama of one layer: width 32, one head of 32, 2 words.
inline void write_tiny_llama(gguf_writer& to) {
    to.text("general.architecture", "llama");
    for (const auto& [key, x] : {std::pair{"block_count", 1u},
                                 {"context_length", 64u},
                                 {"embedding_length", 32u},
                                 {"feed_forward_length", 32u},
                                 {"attention.head_count", 1u},
                                 {"attention.head_count_kv", 1u}})
        to.u32(std::string("llama.") + key, x);
    to.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    to.tensor("token_embd.weight", {32, 2}, 0, 256);
    to.tensor("output_norm.weight", {32}, 0, 128);
    to.tensor("blk.0.attn_norm.weight", {32}, 0, 128);
    to.tensor("blk.0.ffn_norm.weight", {32}, 0, 128);
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        to.tensor(std::string("blk.0.") + name + ".weight", {32, 32}, 8, 32 * 34); // Q8_0
}

} // namespace test
