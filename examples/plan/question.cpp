// SPDX-License-Identifier: Apache-2.0
#include "question.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <iterator>
#include <utility>

namespace planner {

namespace {

int read_ranks(const std::string& text) {
    const double n = read_count(text);
    if (n > 1e6) throw bad_input("more than 10^6 ranks are not planned for");
    return static_cast<int>(n);
}
int read_micro_batches(const std::string& text) {
    const double n = read_count(text);
    if (n > 64) throw bad_input("more than 64 micro-batches are not planned for");
    return static_cast<int>(n);
}
double read_accepted(const std::string& text) {
    double value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size() || !(value >= 1 && value <= 16)) {
        throw bad_input("wants the tokens that a step yields with speculation, 1 to 16: 1.7");
    }
    return value;
}
units::token read_context(const std::string& text) {
    const double n = read_count(text);
    if (n > 1e9) throw bad_input("more than 10^9 tokens are not planned for");
    return units::token(n);
}
units::second read_time(const std::string& text) { // none is a time as well
    return text == "0" ? units::second() : read_duration(text);
}
std::string as_it_is(const std::string& text) { return text; }
std::array<int, 2> read_ratio(const std::string& text) { // 3, 3:2 or 3A2F
    std::string parts = text;
    if (const std::size_t a = parts.find('A'); a != std::string::npos && parts.ends_with("F")) {
        parts[a] = ':';
        parts.pop_back();
    }
    const std::vector<std::string> both = split(parts, ':');
    if (both.size() > 2) throw bad_input("wants attention to FFN ranks: 3, 3:2 or 3A2F");
    return {read_ranks(both[0]), both.size() == 2 ? read_ranks(both[1]) : 1};
}
plan::efficiency read_reach(const std::string& text) {
    if (text == "large") return plan::reached::large_kernels;
    if (text == "ideal") return plan::reached::ideal;
    throw bad_input("is neither large (what large kernels reach) nor ideal (every peak in full)");
}

// The most requests for which the plan holds; a whole number for each micro-batch.
candidate fill(plan::deployment d, double fixed_requests) {
    const auto judged = [&](double a_micro_batch) {
        d.requests = units::request(a_micro_batch * d.micro_batches);
        return candidate{d, judge(d)};
    };
    if (fixed_requests > 0) {
        d.requests = units::request(fixed_requests);
        return {d, judge(d)};
    }
    candidate best = judged(1);
    if (!best.judged.ok()) return best;
    double low = 1, high = 2;
    while (high < 1e9) { // doubling, then halving what is between
        candidate next = judged(high);
        if (!next.judged.ok()) break;
        best = next, low = high, high *= 2;
    }
    while (high - low > std::max(1.0, low / 64)) {
        const double middle = std::floor((low + high) / 2);
        candidate next = judged(middle);
        if (next.judged.ok()) {
            best = next, low = middle;
        } else {
            high = middle;
        }
    }
    return best;
}

// By price where there is one, else by speed; an infeasible plan by how little it misses.
bool better(const candidate& a, const candidate& b) {
    if (a.judged.ok() != b.judged.ok()) return a.judged.ok();
    if (!a.judged.ok()) return a.judged.margin(a.judged.worst()) > b.judged.margin(b.judged.worst());
    if (a.judged.cost.value > 0) return a.judged.cost < b.judged.cost;
    return a.judged.rate > b.judged.rate;
}

// 1, 2, 3, 4, 6, 8, 12, 16 ... units, at most so many ranks.
std::vector<int> steps(int unit, int most) {
    std::vector<int> all;
    for (long long n = 1; n * unit <= most; n *= 2) {
        all.push_back(static_cast<int>(n * unit));
        if (n > 1 && n * 3 / 2 * unit <= most) all.push_back(static_cast<int>(n * 3 / 2 * unit));
    }
    if (all.empty()) all.push_back(most);
    return all;
}

constexpr reason_words reasons[] = {
    {"dense_model", "experts to gather tokens for", "serve it colocated: a dense model has none"},
    {"hbm_attention", "memory of an attention rank", "fewer requests, a shorter context or kv= in fewer bits"},
    {"hbm_ffn", "memory of an FFN rank", "more FFN ranks or weights=nvfp4"},
    {"attention_weights_floor", "reading a layer's projections", "a device with more bandwidth, or a longer slo"},
    {"ffn_weights_floor", "reading a layer's experts", "more FFN ranks"},
    {"attention_budget", "attention of a micro-batch", "fewer requests, or more attention ranks"},
    {"ffn_budget", "experts of a micro-batch", "more FFN ranks, or fewer attention ranks"},
    {"network_budget", "the way there and back", "a faster card, fewer FFN ranks to reach, or a shorter context"},
    {"network_intensity", "share of the FFN peak that the wire feeds", "wider experts or a faster card"},
    {"pipeline_depth", "the loop of a micro-batch", "more micro-batches"},
    {"latency_floor", "the same with latency and jitter", "fewer, larger hops, or a longer slo"},
    {"time_per_token", "the whole step", "a longer slo, fewer micro-batches or fewer requests"},
    {"knee_unreached", "tokens of a micro-batch against the experts' knee",
     "more attention ranks would fill the experts"},
    {"layer_variance", "the slowest layer against the mean", "layers of one kind"},
    {"quantised_ratio", "throughput against the best real ratio", "another ratio"},
    {"beaten_by", "against the same devices colocated", "serve it colocated"},
};
static_assert(std::size(reasons) == plan::reason_count);

void need_precision(const std::string& word, const plan::device& d, plan::math in, const std::string& what) {
    if (rate(d, in).value > 0) return;
    throw bad_input(word + ": dense_tflops." + name_of(in) + ": " + d.name + " has no peak for " + name_of(in) +
                    " nor for anything wider, which the model's " + what + "= need; choose " + what +
                    "= or a TOML file that says it");
}
void need_wire(const std::string& word, const plan::device& d, const question& q) {
    if (q.card.value > 0 || d.scale_out.value > 0 || (d.scale_up.value > 0 && d.scale_up_size >= q.ranks_max)) return;
    throw bad_input(word + ": link.scale_out: " + d.name + " has no network card in its source; say card=400Gbps");
}

} // namespace

const reason_words& words_of(plan::reason r) { return reasons[static_cast<std::size_t>(r)]; }

std::vector<std::string> question_keys() {
    return {"model",         "device",
            "attention",     "ffn",
            "context",       "slo",
            "weights",       "kv",
            "ratio",         "attention_ranks",
            "ffn_ranks",     "ranks",
            "micro_batches", "requests",
            "accept",        "gap",
            "reach",         "card",
            "latency",       "jitter",
            "memory",        "attention_price",
            "ffn_price"};
}

question read_hardware(const asked& words) {
    question q;
    const bool same = words.has("device");
    if (same && (words.has("attention") || words.has("ffn"))) {
        throw bad_input("device= says both; with attention= and ffn= leave it out");
    }
    const std::string first = same ? "device" : words.has("attention") ? "attention" : "ffn";
    const std::string both = words.one(first, as_it_is, std::string("h800"));
    q.attention_word = first + "=" + both;
    q.ffn_word = words.has("ffn") ? "ffn=" + words.one("ffn", as_it_is) : q.attention_word;
    q.attention = words.one(first, find_device, plan::catalog::h800);
    q.ffn = words.one("ffn", find_device, q.attention);
    q.context = words.one("context", read_context, q.context);
    q.per_token = words.one("slo", read_duration, q.per_token);
    q.accepted = words.one("accept", read_accepted, 1.0);
    q.card = words.one("card", read_rate, units::wire_rate());
    q.attention.price = words.one("attention_price", read_price, q.attention.price);
    q.ffn.price = words.one("ffn_price", read_price, q.ffn.price);
    return q;
}

question read_question(const asked& words) {
    question q = read_hardware(words);
    if (!words.has("model")) throw bad_input("model= is missing; ashlar-plan list prints the names: model=step3");
    q.model = words.one("model", find_model);
    q.model.weights = words.one("weights", read_precision, q.model.weights);
    if (words.has("kv")) q.model.shape = with_kv(q.model.shape, words.one("kv", read_precision));
    q.ranks_max = words.one("ranks", read_ranks, q.ranks_max);
    q.attention_ranks = words.one("attention_ranks", read_ranks, 0);
    q.ffn_ranks = words.one("ffn_ranks", read_ranks, 0);
    if (!words.has("ranks")) q.ranks_max += q.attention_ranks + q.ffn_ranks; // beside those that are said
    q.micro_batches = words.one("micro_batches", read_micro_batches, 0);
    if (words.has("ratio")) std::ranges::copy(words.one("ratio", read_ratio), q.ratio);
    q.requests = words.one("requests", read_count, 0.0);
    q.gap = words.one("gap", read_time, units::second());
    q.latency = words.one("latency", read_time, units::second());
    q.jitter = words.one("jitter", read_time, units::second());
    if (q.gap >= q.per_token * q.accepted) {
        throw bad_input("gap= leaves nothing of a step: slo= times accept= is " +
                        significant(q.per_token.value * q.accepted * 1e3) + " ms");
    }
    q.reached = words.one("reach", read_reach, q.reached);
    q.usable_memory = words.one("memory", read_share, q.usable_memory);
    check(q);
    return q;
}

void check(const question& q) {
    need_precision(q.attention_word, q.attention, q.model.weights.in, "weights");
    need_precision(q.ffn_word, q.ffn, q.model.weights.in, "weights");
    for (const plan::layer_group& g : q.model.shape.groups) {
        if (g.count != 0) need_precision(q.attention_word, q.attention, core_math(g.mix, q.model.weights.in), "kv");
    }
    need_wire(q.attention_word, q.attention, q);
    need_wire(q.ffn_word, q.ffn, q);
    const int attention = std::max(q.attention_ranks, 1), ffn = std::max(q.ffn_ranks, 1);
    if (attention + ffn > 1000000) throw bad_input("more than 10^6 ranks are not planned for");
    if (attention + ffn > q.ranks_max) {
        throw bad_input("ranks=" + std::to_string(q.ranks_max) + " do not hold " + std::to_string(attention) +
                        " of attention and " + std::to_string(ffn) + " of experts, which is the least; raise ranks=");
    }
}

std::vector<alternative> alternatives(const plan::deployment& d) {
    struct ranked {
        double worth;
        alternative what;
    };
    std::vector<ranked> all;
    const bool priced = d.attention.price.value > 0 && d.ffn.price.value > 0; // judge() compares rates if not
    const auto ask = [&](const plan::device& on, const plan::efficiency& reached) {
        const plan::colocated_ways ways = colocated_ways_of(d, on, reached);
        const auto add = [&](const char* name, const plan::colocated_plan& p) {
            if (!p.feasible()) return;
            all.push_back(
                {priced ? p.rate / on.price.value : p.rate,
                 {.name = name, .device = on.name, .plan = p, .dollars_per_million = on.price.value / p.rate * 1e6}});
        };
        add("wide EP over all ranks", ways.wide_ep);
        add("EP within a scale-up domain", ways.domain_ep);
        add(ways.helix_over > ways.domain ? "Helix over all ranks" : "Helix within a scale-up domain", ways.helix);
    };
    ask(d.attention, d.reached_attention);
    if (d.ffn != d.attention) ask(d.ffn, d.reached_ffn);
    std::ranges::stable_sort(all, std::greater{}, &ranked::worth);
    std::vector<alternative> best_first;
    for (ranked& each : all) best_first.push_back(std::move(each.what));
    return best_first;
}

answer solve(const question& q) {
    const plan::deployment base{.what = q.model.shape,
                                .attention = q.attention,
                                .ffn = q.ffn,
                                .requests = units::request(q.requests),
                                .context = q.context,
                                .per_token = q.per_token,
                                .accepted = q.accepted,
                                .gap = q.gap,
                                .weights = q.model.weights,
                                .reached_attention = q.reached,
                                .reached_ffn = q.reached,
                                .card = q.card,
                                .latency = q.latency,
                                .jitter = q.jitter,
                                .usable_memory = q.usable_memory};
    const int server = 8; // ranks are bought by the server, if there are two
    const int unit = q.ranks_max < 2 * server ? 1 : server;
    const auto with = [&](int attention, int ffn, int group, int micro_batches) {
        plan::deployment d = base;
        d.attention_ranks = attention, d.ffn_ranks = ffn, d.ffn_group = group, d.micro_batches = micro_batches;
        return fill(d, q.requests);
    };
    const std::vector<int> depths = q.micro_batches ? std::vector{q.micro_batches} : std::vector{2, 3, 4};
    std::vector<candidate> all;
    for (const int ffn :
         q.ffn_ranks ? std::vector{q.ffn_ranks} : steps(unit, q.ranks_max - std::max(q.attention_ranks, unit))) {
        std::vector<int> attention =
            q.attention_ranks ? std::vector{q.attention_ranks} : steps(unit, q.ranks_max - ffn);
        if (q.ratio[0] != 0) {
            const long long ranks = static_cast<long long>(ffn) * q.ratio[0] / q.ratio[1];
            if (static_cast<long long>(ffn) * q.ratio[0] % q.ratio[1] != 0 || ranks > q.ranks_max - ffn) continue;
            attention = {static_cast<int>(ranks)};
        }
        for (const int a : attention) {
            for (const int m : depths) {
                all.push_back(with(a, ffn, 1, m));
                const bool servers = q.ffn.scale_up_size >= server && ffn % server == 0; // experts cut within each
                if (servers) all.push_back(with(a, ffn, server, m));
            }
        }
    }
    if (all.empty())
        throw bad_input("ratio: no " + std::to_string(q.ratio[0]) + ":" + std::to_string(q.ratio[1]) +
                        " fits in ranks=" + std::to_string(q.ranks_max));
    candidate best = all.front();
    for (const candidate& each : all) best = better(each, best) ? each : best;
    const auto worth = [](const candidate& c) {
        return c.judged.cost.value > 0 ? 1 / c.judged.cost.value : c.judged.rate;
    };
    const auto ranks = [](const candidate& c) { return c.what.attention_ranks + c.what.ffn_ranks; };
    const double top = worth(best);
    for (const candidate& each : all) { // the optimum is flat: of what is as good, the fewest devices
        if (each.judged.ok() && best.judged.ok() && worth(each) > top * 0.99 && ranks(each) < ranks(best)) best = each;
    }
    answer out{.best = best, .curve = {}, .found = best.judged.ok()};
    const int most = std::min(q.ranks_max, std::max(3 * best.what.attention_ranks, 4 * best.what.ffn_ranks));
    const int stride = std::max(1, most / unit / 24) * unit;
    for (int a = stride; a <= most; a += stride) {
        out.curve.push_back(with(a, best.what.ffn_ranks, best.what.ffn_group, best.what.micro_batches));
    }
    return out;
}

} // namespace planner
