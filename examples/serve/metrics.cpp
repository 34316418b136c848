// SPDX-License-Identifier: Apache-2.0
#include "metrics.hpp"

#include <cmath>
#include <map>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace serve {

namespace pm = prometheus;

namespace {
// vLLM's bucket borders (vllm/v1/metrics/loggers.py), so that its dashboards read ours.
const std::vector<double> first_token_s = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                           1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const std::vector<double> token_s = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                     0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
const std::vector<double> request_s = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                       30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> counts = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
const std::vector<double> small_counts = {1, 2, 5, 10, 20};
const std::vector<double> iteration_tokens = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
const std::vector<double> transfer_s = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                        0.05,   0.1,     0.25,   0.5,   1,      2.5,   5};
} // namespace

struct metrics::state {
    pm::Registry registry;
    pm::Labels labels;
    std::map<std::string, wire::counters> last; // of each engine: counters restart with their process
    std::map<std::string, std::uint32_t> blocks;

    pm::Gauge& gauge(const std::string& name, const std::string& help, pm::Labels more = {}) {
        more.insert(labels.begin(), labels.end());
        return pm::BuildGauge().Name(name).Help(help).Register(registry).Add(more);
    }
    pm::Counter& counter(const std::string& name, const std::string& help, pm::Labels more = {}) {
        more.insert(labels.begin(), labels.end());
        return pm::BuildCounter().Name(name).Help(help).Register(registry).Add(more);
    }
    pm::Histogram& histogram(const std::string& name, const std::string& help, const std::vector<double>& borders) {
        return pm::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels, borders);
    }

    explicit state(pm::Labels with) : labels(std::move(with)) {}
    pm::Gauge& running = gauge("vllm:num_requests_running", "Requests in prefill or decode");
    pm::Gauge& waiting = gauge("vllm:num_requests_waiting", "Requests waiting for a place");
    pm::Gauge& usage = gauge("vllm:kv_cache_usage_perc", "Share of the KV blocks in use; 1 is all");
    pm::Counter& queries = counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache");
    pm::Counter& hits = counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache");
    pm::Counter& preemptions =
        counter("vllm:num_preemptions_total", "Requests preempted (none: blocks are reserved up front)");
    pm::Counter& prompt_tokens = counter("vllm:prompt_tokens_total", "Prompt tokens of admitted requests");
    pm::Counter& generation_tokens = counter("vllm:generation_tokens_total", "Generated tokens");
    pm::Histogram& request_prompt = histogram("vllm:request_prompt_tokens", "Prompt tokens of a request", counts);
    pm::Histogram& request_generation =
        histogram("vllm:request_generation_tokens", "Generated tokens of a request", counts);
    pm::Histogram& request_most =
        histogram("vllm:request_max_num_generation_tokens", "Generated tokens of a request's longest choice", counts);
    pm::Histogram& request_n = histogram("vllm:request_params_n", "n of a request", small_counts);
    pm::Histogram& request_max = histogram("vllm:request_params_max_tokens", "max_tokens of a request", counts);
    pm::Histogram& iteration = histogram("vllm:iteration_tokens_total", "Tokens of a batch", iteration_tokens);
    pm::Histogram& first = histogram("vllm:time_to_first_token_seconds", "Arrival to first token", first_token_s);
    pm::Histogram& between = histogram("vllm:inter_token_latency_seconds", "From a token to the next", token_s);
    pm::Histogram& between_old =
        histogram("vllm:time_per_output_token_seconds", "The same under its older name", token_s);
    pm::Histogram& whole = histogram("vllm:e2e_request_latency_seconds", "Arrival to end", request_s);
    pm::Histogram& queue = histogram("vllm:request_queue_time_seconds", "Arrival to the first batch", request_s);
    pm::Histogram& inference = histogram("vllm:request_inference_time_seconds", "First batch to end", request_s);
    pm::Histogram& prefill = histogram("vllm:request_prefill_time_seconds", "First batch to first token", request_s);
    pm::Histogram& decode = histogram("vllm:request_decode_time_seconds", "First token to end", request_s);
    pm::Counter& retries = counter("ashlar_requests_retried_total", "Requests started over after a fault");
    pm::Histogram& exposed =
        histogram("ashlar_kv_transfer_exposed_seconds", "First token to KV verified at the decode side", transfer_s);
};

metrics::metrics(const std::string& model, std::uint32_t tokens_per_block, std::uint32_t context, bool prefix_caching)
    : state_(std::make_unique<state>(pm::Labels{{"model_name", model}, {"engine", "0"}})) {
    state_
        ->gauge("vllm:cache_config_info", "How the KV cache is cut",
                {{"block_size", std::to_string(tokens_per_block)},
                 {"max_model_len", std::to_string(context)},
                 {"cache_dtype", "f16"},
                 {"enable_prefix_caching", prefix_caching ? "True" : "False"}})
        .Set(1);
    for (const char* reason : {"stop", "length", "abort", "error"})
        state_->counter("vllm:request_success_total", "Ended requests", {{"finished_reason", reason}});
}
metrics::~metrics() = default;

void metrics::set_load(std::size_t running, std::size_t waiting, double cache_usage) {
    state_->running.Set(static_cast<double>(running));
    state_->waiting.Set(static_cast<double>(waiting));
    state_->usage.Set(cache_usage);
}
void metrics::request_began(std::uint32_t prompt_tokens, std::uint32_t max_tokens, std::uint32_t n) {
    state_->prompt_tokens.Increment(prompt_tokens);
    state_->request_prompt.Observe(prompt_tokens);
    state_->request_max.Observe(max_tokens);
    state_->request_n.Observe(n);
}
void metrics::prefix(std::uint64_t queried, std::uint64_t hit) {
    state_->queries.Increment(static_cast<double>(queried));
    state_->hits.Increment(static_cast<double>(hit));
}
void metrics::queued(double seconds) { state_->queue.Observe(seconds); }
void metrics::first_token(double seconds) {
    state_->first.Observe(seconds);
    state_->generation_tokens.Increment();
}
void metrics::next_token(double seconds) {
    state_->between.Observe(seconds);
    state_->between_old.Observe(seconds);
    state_->generation_tokens.Increment();
}
void metrics::iteration(std::uint32_t tokens) { state_->iteration.Observe(tokens); }
void metrics::request_ended(const char* reason, std::uint32_t generated, double whole_s, double prefill_s,
                            double decode_s) {
    state_->counter("vllm:request_success_total", "Ended requests", {{"finished_reason", reason}}).Increment();
    state_->request_generation.Observe(generated);
    state_->request_most.Observe(generated);
    state_->whole.Observe(whole_s);
    state_->prefill.Observe(prefill_s);
    state_->decode.Observe(decode_s);
    state_->inference.Observe(prefill_s + decode_s);
}
void metrics::refused(unsigned status) {
    state_
        ->counter("ashlar_requests_refused_total", "Requests answered with an error",
                  {{"status", std::to_string(status)}})
        .Increment();
}
void metrics::retried() { state_->retries.Increment(); }
void metrics::transfer_seconds(double seconds) { state_->exposed.Observe(seconds); }

void metrics::engine(const std::string& name, const wire::counters& now, std::uint32_t blocks_total) {
    const wire::counters was = state_->last[name];
    state_->last[name] = now;
    const pm::Labels who{{"engine", name}};
    const auto of = [&](const char* metric, const char* help, std::uint64_t before, std::uint64_t after) {
        pm::Labels labels = state_->labels;
        labels["engine"] = name;
        pm::BuildCounter()
            .Name(metric)
            .Help(help)
            .Register(state_->registry)
            .Add(labels)
            .Increment(static_cast<double>(after >= before ? after - before : after));
    };
    const auto at = [&](const char* metric, const char* help, double value) {
        pm::Labels labels = state_->labels;
        labels["engine"] = name;
        pm::BuildGauge().Name(metric).Help(help).Register(state_->registry).Add(labels).Set(value);
    };
    at("ashlar_kv_blocks_total", "Blocks of the pool", blocks_total);
    at("ashlar_kv_blocks_free", "Blocks that are free or evictable", static_cast<double>(now.blocks_free));
    at("ashlar_kv_blocks_quarantined", "Blocks that a peer might still touch",
       static_cast<double>(now.blocks_quarantined));
    at("ashlar_kv_blocks_leased", "Blocks that a peer may touch", static_cast<double>(now.blocks_leased));
    of("ashlar_kv_transfers_total", "KV hand-overs completed and verified", was.transfers_done, now.transfers_done);
    of("ashlar_kv_transfers_failed_total", "KV hand-overs that failed", was.transfers_failed, now.transfers_failed);
    of("ashlar_kv_bytes_sent_total", "KV bytes written to peers", was.bytes_sent, now.bytes_sent);
    of("ashlar_kv_blocks_sent_total", "KV blocks (one layer each) written to peers", was.blocks_sent, now.blocks_sent);
    of("ashlar_kv_bytes_received_total", "KV bytes received and verified", was.bytes_received, now.bytes_received);
    of("ashlar_kv_blocks_received_total", "KV blocks (one layer each) received and verified", was.blocks_received,
       now.blocks_received);
    of("ashlar_kv_checksum_failures_total", "Pages whose checksum did not hold", was.checksum_failures,
       now.checksum_failures);
    of("ashlar_kv_tickets_refused_total", "Tickets refused: forged, replayed, expired or malformed",
       was.tickets_refused, now.tickets_refused);
    of("ashlar_kv_epoch_mismatches_total", "Tickets of another incarnation", was.epoch_mismatches,
       now.epoch_mismatches);
    of("ashlar_kv_fabric_reopenings_total", "Times that the fabric endpoint was closed and opened anew", was.reopened,
       now.reopened);
    of("ashlar_engine_batches_total", "Batches computed", was.batches, now.batches);
    of("ashlar_engine_tokens_total", "Tokens computed", was.batch_tokens, now.batch_tokens);
    of("ashlar_engine_busy_nanoseconds_total", "Time spent computing", was.busy_ns, now.busy_ns);
}
void metrics::engine_restarted(const std::string& name) {
    state_->last.erase(name);
    pm::Labels labels = state_->labels;
    labels["engine"] = name;
    pm::BuildCounter()
        .Name("ashlar_engine_starts_total")
        .Help("Times that this engine came up")
        .Register(state_->registry)
        .Add(labels)
        .Increment();
}

std::string metrics::text() const { return pm::TextSerializer().Serialize(state_->registry.Collect()); }

} // namespace serve
