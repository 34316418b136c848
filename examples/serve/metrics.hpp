// SPDX-License-Identifier: Apache-2.0
// What /metrics tells: vLLM's names, which dashboards and load generators read, and ashlar_kv_* for what moves between
// engines. prometheus-cpp stays inside metrics.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "wire.hpp"

namespace serve {

class metrics {
public:
    metrics(const std::string& model, std::uint32_t tokens_per_block, std::uint32_t context, bool prefix_caching);
    ~metrics();

    void set_load(std::size_t running, std::size_t waiting, double cache_usage);
    void request_began(std::uint32_t prompt_tokens, std::uint32_t max_tokens, std::uint32_t n);
    void prefix(std::uint64_t queried, std::uint64_t hit);
    void queued(double seconds);      // arrival to the first place in a batch
    void first_token(double seconds); // since arrival
    void next_token(double seconds);  // since the one before
    void iteration(std::uint32_t tokens);
    void request_ended(const char* reason, std::uint32_t generated, double whole_s, double prefill_s, double decode_s);
    void refused(unsigned status);
    void retried();
    void
    transfer_seconds(double seconds); // last prompt token computed to KV verified at the decode side: what is exposed
    void engine(const std::string& name, const wire::counters& totals, std::uint32_t blocks_total);
    void engine_restarted(const std::string& name);

    std::string text() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace serve
