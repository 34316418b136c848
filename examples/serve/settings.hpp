// SPDX-License-Identifier: Apache-2.0
// What the command line says. Every process of one server parses the same words; a child gets a few more of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace serve {

inline constexpr std::uint32_t tokens_per_block = 16; // of every KV pool

struct settings {
    std::string model;      // a GGUF file, or a folder of Hugging Face's
    std::string model_name; // as clients call it; empty: the file's name without its ending, or the folder's
    std::string host = "127.0.0.1";
    std::uint16_t port = 8000;
    std::string role = "all"; // all, unified, prefill, decode, router
    std::string fabric = "ofi";
    std::uint32_t threads = 0; // of each engine; 0: the processors of this machine
    std::uint32_t context = 4096;
    std::uint32_t pool_mib = 512;
    std::uint32_t batch_tokens = 256;
    std::uint32_t sequences = 64;
    bool prefix_caching = true;
    std::string api_key;
    bool insecure = false;
    std::string fleet_key_file;
    std::string peers;   // a file, or etcd://HOST:PORT,.../FLEET
    std::string address; // with etcd: at which the fleet reaches this process
    std::string log_dir;
    std::string log_level = "info";
    std::uint32_t heartbeat_ms = 250;
    std::uint32_t request_limit = 256;
    std::uint32_t queue_limit = 128;
    std::uint32_t connections = 512;
    std::uint32_t client_timeout_s = 30;
    std::uint32_t attempts = 3;
    bool hold = false; // requests wait for an engine to come back instead of failing at once
    std::uint32_t timeout_s = 600;
    std::uint32_t drain_s = 10;

    // Of a child of the supervisor.
    std::string child;      // router, prefill, decode, unified; empty: not a child
    int http_fd = -1;       // listening
    int control_fd = -1;    // listening
    int key_fd = -1;        // 16 bytes from its start
    int supervisor_fd = -1; // a stream to the supervisor: lines
    int parent = 0;
    std::string control; // where an engine finds its router
};

int run_supervisor(const settings& how, const std::vector<std::string>& arguments);
int run_router(const settings& how);
int run_engine(const settings& how);

} // namespace serve
