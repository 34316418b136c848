// SPDX-License-Identifier: Apache-2.0
// Prompts of a Mooncake trace, as tokens. A line of such a trace has a prompt's length and one id for each 512 tokens
// of it, equal ids for equal prefixes (github.com/kvcache-ai/Mooncake, FAST25-release/traces). The tokens themselves
// are not published: token j of id h is mix(h, j) modulo 2^17 here, the last id cut to the prompt's length.
#pragma once

#include <ashlar/core/ids.hpp>
#include <ashlar/core/random.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

struct kv_trace {
    static constexpr std::uint32_t tokens_per_id = 512;
    struct prompt {
        std::uint32_t tokens;
        std::vector<std::uint32_t> ids;
    };
    std::string name;
    std::vector<prompt> prompts;

    // A file, or the traces of a folder whose name contains `what`, in the order of their names.
    static std::vector<kv_trace> read(const std::string& path, const std::string& what) {
        std::vector<std::filesystem::path> files;
        if (std::filesystem::is_directory(path)) {
            for (const auto& entry : std::filesystem::directory_iterator(path)) {
                const std::string name = entry.path().filename().string();
                if (name.ends_with(".jsonl") && name.find(what) != std::string::npos) files.push_back(entry.path());
            }
            std::sort(files.begin(), files.end());
        } else if (std::filesystem::exists(path)) {
            files.push_back(path);
        }
        std::vector<kv_trace> traces;
        for (const auto& file : files) {
            kv_trace trace{.name = file.stem().string(), .prompts = {}};
            std::ifstream in(file);
            for (std::string line; std::getline(in, line);) {
                const auto length = line.find("\"input_length\":"), ids = line.find("\"hash_ids\":");
                if (length == std::string::npos || ids == std::string::npos) continue;
                prompt p{static_cast<std::uint32_t>(std::strtoul(line.c_str() + length + 15, nullptr, 10)), {}};
                const char* at = line.c_str() + line.find('[', ids) + 1;
                for (char* end; *at && *at != ']'; at = *end == ',' ? end + 1 : end) {
                    p.ids.push_back(static_cast<std::uint32_t>(std::strtoul(at, &end, 10)));
                    if (end == at) break;
                }
                p.tokens = std::min(p.tokens, static_cast<std::uint32_t>(p.ids.size()) * tokens_per_id);
                trace.prompts.push_back(std::move(p));
            }
            if (!trace.prompts.empty()) traces.push_back(std::move(trace));
        }
        return traces;
    }

    // From the argument, else from $ASHLAR_TRACES; ends the program with 2 when there is nothing.
    static std::vector<kv_trace> read_or_exit(const char* argument, const std::string& what) {
        const char* path = argument ? argument : std::getenv("ASHLAR_TRACES");
        auto traces = path ? read(path, what) : std::vector<kv_trace>{};
        if (traces.empty()) {
            std::fprintf(stderr,
                         "no trace %s: get FAST25-release/traces/*.jsonl of github.com/kvcache-ai/Mooncake and name "
                         "the folder or a file in ASHLAR_TRACES\n",
                         path ? path : "given");
            std::exit(2);
        }
        return traces;
    }

    static void expand(const prompt& p, std::vector<ashlar::token_id>& tokens) {
        tokens.resize(p.tokens);
        for (std::uint32_t i = 0; i < p.tokens; ++i) {
            const std::uint64_t seed = ashlar::mix(p.ids[i / tokens_per_id]);
            for (const std::uint32_t end = std::min(p.tokens, i + tokens_per_id); i < end; ++i) {
                tokens[i] = static_cast<ashlar::token_id>(ashlar::mix(seed ^ (i % tokens_per_id)) & 0x1ffff);
            }
            --i;
        }
    }

    // Different full blocks of `size` tokens: what an unbounded pool would hold.
    std::uint32_t unique_blocks(std::uint32_t size) const {
        std::vector<std::uint32_t> most; // by id
        for (const prompt& p : prompts) {
            for (std::size_t i = 0; i < p.ids.size(); ++i) {
                if (p.ids[i] >= most.size()) most.resize(p.ids[i] + 1);
                const auto here = std::min<std::size_t>(tokens_per_id, p.tokens - i * tokens_per_id) / size;
                most[p.ids[i]] = std::max(most[p.ids[i]], static_cast<std::uint32_t>(here));
            }
        }
        std::uint32_t sum = 0;
        for (std::uint32_t n : most) sum += n;
        return sum;
    }
};
