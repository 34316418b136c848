// SPDX-License-Identifier: Apache-2.0
#include "design.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "catalogue.hpp"

namespace planner {

namespace {

// A whole number of this range.
auto between(double least, double most) {
    return [=](const std::string& text) {
        const double n = read_count(text);
        if (n < least || n > most)
            throw bad_input("wants a whole number of " + fixed(least, 0) + " to " + fixed(most, 0));
        return static_cast<int>(n);
    };
}
double read_parameters(const std::string& text) { // 300B, as models are named
    const bool billions = text.ends_with("B");
    return read_count(billions ? text.substr(0, text.size() - 1) + "G" : text);
}
// 300B..330B, or one value for both ends.
template <class Read>
auto range_of(Read read) {
    return [=](const std::string& text) {
        const std::size_t dots = text.find("..");
        const auto first = read(text.substr(0, dots));
        const auto last = dots == std::string::npos ? first : read(text.substr(dots + 2));
        if (last < first) throw bad_input("ends before it begins");
        return std::pair{first, last};
    };
}
plan::precision read_cache(const std::string& text) {
    if (text == "int4") return {plan::math::fp8, 4}; // stored in 4 bits, multiplied as 8
    return read_precision(text);
}
std::string cache_name(const plan::precision& p) {
    return p == plan::precision{plan::math::fp8, 4} ? "int4" : name_of(p);
}

bool priced(const plan::design_query& q) { return q.attention.price.value > 0 && q.ffn.price.value > 0; }

} // namespace

std::vector<std::string> design_keys() {
    return {"device",         "attention",    "ffn",
            "card",           "context",      "slo",
            "accept",         "weights",      "kv",
            "parameters",     "active",       "layers",
            "hidden",         "dense_layers", "dense_width",
            "attention_rank", "key_dims",     "query_rank",
            "width",          "show",         "attention_price",
            "ffn_price"};
}

designed design(const asked& words) {
    designed out;
    plan::design_query& q = out.query;
    // The hardware's side is read as a plan's is.
    question hardware = read_hardware(words);
    q.attention = hardware.attention, q.ffn = hardware.ffn;
    q.context = hardware.context, q.per_token = hardware.per_token, q.accepted = hardware.accepted;
    q.card = hardware.card.value > 0 ? hardware.card : q.ffn.scale_out;
    q.weights = words.one("weights", read_precision, plan::stored::fp8);
    hardware.model.weights = q.weights;
    check(hardware);
    const auto caches =
        words.list("kv", read_cache, std::vector{plan::stored::fp8, plan::precision{plan::math::fp8, 4}});
    if (caches.size() > 2) throw bad_input("kv= lists more than two precisions");
    q.caches[0] = caches.front(), q.caches[1] = caches.back();

    std::tie(q.parameters_min, q.parameters_max) =
        words.one("parameters", range_of(read_parameters), std::pair{q.parameters_min, q.parameters_max});
    if (q.parameters_max > 1e14) throw bad_input("parameters= goes beyond 10^14");
    q.active_experts_max = words.one("active", read_parameters, q.active_experts_max);
    q.layers = words.one("layers", between(1, 4096), q.layers);
    q.dense_layers = words.one("dense_layers", between(1, 4095), std::min(q.dense_layers, q.layers - 1));
    if (q.dense_layers >= q.layers) throw bad_input("dense_layers= leaves no layer for experts");
    q.dense_width = words.one("dense_width", between(1, 1 << 20), q.dense_width);
    q.query_rank = words.one("query_rank", between(1, 1 << 20), q.query_rank);
    std::tie(q.hidden_min, q.hidden_max) =
        words.one("hidden", range_of(between(1024, 65536)), std::pair{q.hidden_min, q.hidden_max});
    if ((q.hidden_max - q.hidden_min) / 1024 > 16) throw bad_input("hidden= spans more than 16 steps of 1,024");
    q.attention_rank_min = words.one("attention_rank", between(1, 65536), q.attention_rank_min);
    q.key_dims_min = words.one("key_dims", between(1, 65536), q.key_dims_min);
    q.width_max = words.one("width", between(512, 1 << 20), q.width_max);
    out.shown = words.one("show", between(1, 256), out.shown);
    plan::search(out.found, q);
    const auto order = [](const plan::design_point& p) {
        return std::tuple(p.cost, -p.active_experts, p.hidden, p.experts, p.query_heads, p.kv_heads, p.cache.bits);
    };
    std::ranges::sort(out.found.points, out.found.points + out.found.count, {}, order);
    return out;
}

std::string as_text(const designed& d) {
    const plan::design_query& q = d.query;
    std::string out = "Models for attention on " + std::string(q.attention.name) + " and experts on " + q.ffn.name +
                      ": " + significant(q.card.value / 1e9) + " GB/s a card, " + tokens_text(q.context) + " tokens, " +
                      significant(q.per_token.value * 1e3) + " ms a token\n\n";
    out += "  the network allows experts that are at least so dense (active / all), by hidden size\n";
    std::vector<std::vector<std::string>> bounds{{"hidden", "sparsity >="}};
    for (int hidden = q.hidden_min; hidden <= q.hidden_max; hidden += 1024) {
        bounds.push_back({std::to_string(hidden), fixed(sparsity_bound(q, hidden), 4)});
    }
    out += align(bounds, "    ");
    out += "  at Step-3's 4 of 49 the hidden size is at most " + std::to_string(hidden_bound(q, 4.0 / 49)) +
           "; an expert's width for half of the peak behind one card is at least " + fixed(width_bound(q, 0.5), 0) +
           "\n  attention of " + fixed(balance(q.attention, q.weights.in).value, 0) + " FLOP a byte uses " +
           q.attention.name + "'s FLOPS and bandwidth alike\n\n";
    if (d.found.count == 0) {
        return out + "NOTHING fits these bounds: of " + std::to_string(d.found.considered) +
               " shapes none; widen parameters=, active=, width= or hidden=, or take a faster card=\n";
    }
    const int shown = std::min(d.shown, d.found.count);
    out += "  the Pareto set, " + std::to_string(d.found.count) + " of " + std::to_string(d.found.considered) +
           " shapes within the bounds: no other is cheaper, has more active parameters and more bits of cache\n";
    const char* cost = priced(q) ? "$/1M" : "s/1M";
    std::vector<std::vector<std::string>> rows{{"hidden", "experts", "top", "width", "sparsity", "heads", "KV heads",
                                                "dim", "KV", "FLOP/B", "batch", "total", "active", cost}};
    for (int k = 0; k < shown; ++k) {
        const plan::design_point& p = d.found.points[k];
        rows.push_back({std::to_string(p.hidden), std::to_string(p.experts) + "+1", std::to_string(p.active) + "+1",
                        std::to_string(p.width), fixed(p.sparsity, 3), std::to_string(p.query_heads),
                        std::to_string(p.kv_heads), std::to_string(p.head_dim), cache_name(p.cache),
                        fixed(p.intensity.value, 0), fixed(p.batch.value, 0), significant(p.parameters / 1e9) + "B",
                        significant(p.active_experts / 1e9) + "B", fixed(p.cost.value * 1e6, priced(q) ? 4 : 2)});
    }
    out += align(rows, "  ");
    if (shown < d.found.count) {
        out += "  " + std::to_string(d.found.count - shown) + " more; show=" + std::to_string(d.found.count) +
               " prints all\n";
    }
    if (d.found.dropped) out += "  " + std::to_string(d.found.dropped) + " more had no room; narrow the query\n";
    return out +
           "  batch: tokens of a micro-batch from which on experts are not bound by reading weights; active: of the "
           "experts.\n  Costs are the Step-3 report's accounting (arXiv 2507.19427); nothing was run.\n";
}

json as_json(const designed& d) {
    const plan::design_query& q = d.query;
    json out{{"attention", q.attention.name},     {"ffn", q.ffn.name},
             {"context_tokens", q.context.value}, {"slo_s", q.per_token.value},
             {"considered", d.found.considered},  {"dropped", d.found.dropped}};
    for (int hidden = q.hidden_min; hidden <= q.hidden_max; hidden += 1024) {
        out["bounds"].push_back({{"hidden", hidden}, {"sparsity_min", sparsity_bound(q, hidden)}});
    }
    out["hidden_max_at_4_of_49"] = hidden_bound(q, 4.0 / 49);
    out["width_min_at_half_peak"] = width_bound(q, 0.5);
    out["points"] = json::array();
    for (int k = 0; k < d.found.count; ++k) {
        const plan::design_point& p = d.found.points[k];
        out["points"].push_back({{"hidden", p.hidden},
                                 {"experts", p.experts},
                                 {"active", p.active},
                                 {"shared", 1},
                                 {"width", p.width},
                                 {"sparsity", p.sparsity},
                                 {"sparsity_min", p.sparsity_least},
                                 {"query_heads", p.query_heads},
                                 {"kv_heads", p.kv_heads},
                                 {"head_dim", p.head_dim},
                                 {"kv_bits", p.cache.bits},
                                 {"intensity", p.intensity.value},
                                 {"batch", p.batch.value},
                                 {"parameters", p.parameters},
                                 {"active_experts", p.active_experts},
                                 {priced(q) ? "usd_per_1m_tokens" : "s_per_1m_tokens", p.cost.value * 1e6}});
    }
    return out;
}

} // namespace planner
