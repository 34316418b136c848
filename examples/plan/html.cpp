// SPDX-License-Identifier: Apache-2.0
// The page of --html. Well-formed XML, no script, nothing loaded from elsewhere.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "report.hpp"
#include "svg.hpp"

namespace planner {

namespace {

constexpr const char* style = R"(
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2733; --soft: #5b6673; --grid: #dfe4ea; --line: #9aa5b1;
  --one: #2f6fb7; --two: #d98a1f; --pick: #c02f4f; --card: #f5f7f9; --good: #1d7a4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6eaee; --soft: #a3adb8; --grid: #2b323a;
  --line: #5d6874; --one: #6aa9ec; --two: #eab05a; --pick: #ff7a93; --card: #1c2229;
  --good: #6fd09c; --bad: #ff8f86; } }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 800px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem; }
p { margin: .3rem 0; } .soft, figcaption { color: var(--soft); font-size: .85rem; }
.verdict { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: .6rem;
  margin: 1rem 0; padding: 0; }
.facts div { background: var(--card); border-radius: 8px; padding: .55rem .8rem; }
.facts dt { color: var(--soft); font-size: .8rem; } .facts dd { margin: 0; font-size: 1.05rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; } td, th { text-align: left; padding: .25rem .5rem;
  border-bottom: 1px solid var(--grid); } td.n { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
figure { margin: .4rem 0 0; } svg { width: 100%; height: auto; display: block; }
svg text { font-size: 12px; font-family: inherit; fill: var(--soft); paint-order: stroke; stroke: var(--paper);
  stroke-width: 3px; stroke-linejoin: round; } svg .strong { fill: var(--pick); font-weight: 700; }
svg .ridge-name { fill: var(--ink); } .grid { stroke: var(--grid); } .axis { stroke: var(--line); }
.ridge { stroke: var(--two); stroke-width: 1.6; } .leader { stroke: var(--line); stroke-width: .7; }
.level { stroke: var(--two); stroke-width: 1.5; stroke-dasharray: 6 4; }
.curve { fill: none; stroke: var(--one); stroke-width: 2; }
.dot { fill: var(--one); stroke: var(--paper); } .chosen { fill: var(--pick); }
.first { fill: var(--one); } .second { fill: var(--two); }
)";

std::string source_of(const plan::device& d) {
    const std::string month = std::to_string(d.as_of.month);
    return std::string(d.name) + ": " + d.source + ", " + std::to_string(d.as_of.year) + "-" +
           (month.size() == 1 ? "0" : "") + month +
           (d.is == plan::status::shipping ? "" : std::string(" (") + name_of(d.is) + ")");
}
std::string captioned(const std::string& svg, const std::string& caption) {
    return "<figure>\n" + svg + "<figcaption>" + escape(caption) + "</figcaption>\n</figure>\n";
}

std::string roofline_figure(const question& q) {
    std::vector<mark> marks;
    const auto add = [&](const plan::model& m, bool chosen) {
        const plan::work w = work_per_token(m, q.context);
        if (!(w.kv.value > 0) || !(w.core.value > 0)) return;
        marks.push_back({m.name, w.kv.value, w.core.value, chosen,
                         std::string(m.name) + ": " + significant(w.core.value) + " FLOP, " + significant(w.kv.value) +
                             " bytes, " + significant((w.core / w.kv).value) + " FLOP a byte"});
    };
    add(q.model.shape, true);
    for (const named_model& each : all_models()) {
        const bool same = std::string_view(each.shape->name) == q.model.shape.name;
        if (!same && count_weights(*each.shape).total() > 2e10) add(*each.shape, false);
    }
    std::vector<diagonal> lines;
    std::set<std::string> sources, names;
    const auto ridge = [&](const plan::device& d) {
        const plan::math in = runs_in(d, plan::math::fp8);
        const double ratio = balance(d, plan::math::fp8).value;
        if (!(ratio > 0) || !names.insert(d.name).second) return;
        lines.push_back({std::string(d.name) + " " + fixed(ratio, 0), ratio,
                         std::string(d.name) + ": " + name_of(in) + ", " + fixed(ratio, 0) + " FLOP a byte"});
        sources.insert(source_of(d));
    };
    ridge(q.attention), ridge(q.ffn);
    for (const char* each : {"h20", "a800", "h200", "h800", "gb200"}) ridge(find_device(each));
    const std::vector<std::string> all(sources.begin(), sources.end());
    return captioned(
        scatter({.title = "Arithmetic intensity of attention against hardware",
                 .x_axis = "bytes of KV cache moved for a decoded token",
                 .y_axis = "FLOP of attention for a decoded token"},
                marks, lines),
        "A model above a device's line waits for its FLOPS, one below for its memory. Behind a device's name "
        "stands its ridge in FLOP a byte, at FP8 or the next wider precision that it has. Sources: " +
            join(all, "; ") + ".");
}

std::string ratio_figure(const question& q, const answer& a) {
    std::vector<curve_point> points;
    std::size_t best = a.curve.size();
    for (const candidate& c : a.curve) {
        if (!c.judged.ok()) continue;
        if (c.what.attention_ranks == a.best.what.attention_ranks) best = points.size();
        points.push_back({c.ratio(), c.judged.rate,
                          ratio_text(c.what) + ": " + significant(c.judged.rate) + " tokens/s/GPU, " +
                              fixed(c.what.requests.value, 0) + " requests an attention rank, " +
                              significant(c.judged.per_token.value * 1e3) + " ms"});
    }
    if (points.empty()) return "<p>No ratio meets the objective, so there is no curve.</p>\n";
    std::vector<level_line> levels; // the fastest for each device
    for (const alternative& each : alternatives(a.best.what)) {
        const std::string on = " on " + each.device;
        const bool slower = std::ranges::any_of(levels, [&](const level_line& l) { return l.name.ends_with(on); });
        if (!slower) levels.push_back({each.name + on, each.plan.rate});
    }
    return captioned(
        curve({.title = "Throughput by ratio",
               .x_axis = "attention ranks for each FFN rank (" + std::to_string(a.best.what.ffn_ranks) +
                         " FFN ranks, " + std::to_string(a.best.what.micro_batches) + " micro-batches)",
               .y_axis = "tokens/s/GPU"},
              points, best, levels),
        "Each point has as many requests as the objective and memory allow. Dashed: as many devices of one kind "
        "colocated. A roofline with stated efficiencies; nothing was run. Sources: " +
            source_of(q.attention) + (q.ffn == q.attention ? "" : "; " + source_of(q.ffn)) + ".");
}

std::string cost_figure(const question& q) {
    if (!(q.attention.price.value > 0) || !(q.ffn.price.value > 0)) {
        return "<p>A device has no price in its source; say attention_price= and ffn_price=.</p>\n";
    }
    std::vector<bar> all;
    const auto add = [&](const plan::model& m, bool chosen) {
        const plan::token_cost c =
            cost_per_token(m, q.attention, q.ffn, q.context, plan::convention::exact, q.model.weights.in);
        const double attention = c.attention.value * 1e6, ffn = c.ffn.value * 1e6;
        all.push_back(
            {m.name, attention, ffn, chosen,
             std::string(m.name) + ": attention $" + fixed(attention, 3) + ", feed-forward $" + fixed(ffn, 3)});
    };
    add(q.model.shape, true);
    for (const named_model& each : all_models()) {
        const bool same = std::string_view(each.shape->name) == q.model.shape.name;
        if (!same && count_weights(*each.shape).total() > 2e10)
            add(*each.shape, false); // of the size that is served so
    }
    const auto sum = [](const bar& b) { return b.first + b.second; };
    const double limit = 4 * sum(all.front());
    std::string beyond;
    std::ranges::sort(all, {}, [&](const bar& b) { return std::pair(sum(b), b.name); });
    while (sum(all.back()) > limit) { // would press all others together
        beyond += (beyond.empty() ? " Off the scale: " : ", ") + all.back().name + " " + fixed(sum(all.back()), 3);
        all.pop_back();
    }
    if (!beyond.empty()) beyond += ".";
    return captioned(
        bars({.title = "Dollars per 1M decoded tokens",
              .x_axis = "dollars per 1M decoded tokens, at full use of the devices",
              .y_axis = ""},
             all, std::string("attention on ") + q.attention.name, std::string("feed-forward on ") + q.ffn.name),
        "The Step-3 report's accounting (arXiv 2507.19427): no communication, every device busy; a plan's own "
        "price is above it. Prices: " +
            source_of(q.attention) + (q.ffn == q.attention ? "" : "; " + source_of(q.ffn)) + "." + beyond);
}

} // namespace

std::string as_html(const question& q, const answer& a) {
    const plan::deployment& d = a.best.what;
    const plan::verdict& v = a.best.judged;
    const std::string title =
        std::string(q.model.shape.name) + ": attention on " + q.attention.name + ", experts on " + q.ffn.name;
    std::string out =
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
        "<title>" +
        escape(title) + "</title>\n<style>" + std::string(style) + "</style>\n</head>\n<body>\n";
    out += "<h1>" + escape(title) + "</h1>\n<p class=\"soft\">" + tokens_text(q.context) + " tokens of context, " +
           significant(q.per_token.value * 1e3) + " ms a token</p>\n";
    const bool beaten = v.has(plan::reason::beaten_by);
    out += std::string("<p class=\"verdict ") + (a.found && !beaten ? "good" : "bad") + "\">" +
           (!a.found ? "Infeasible: " + refusal(a.best) + ". The plan that misses by least:"
            : beaten ? "Feasible, but the same devices do better colocated."
                     : "Feasible.") +
           "</p>\n<dl class=\"facts\">\n";
    const auto fact = [&](const char* name, const std::string& value) {
        out += std::string("<div><dt>") + name + "</dt><dd>" + escape(value) + "</dd></div>\n";
    };
    fact("attention : FFN ranks", std::to_string(d.attention_ranks) + " : " + std::to_string(d.ffn_ranks));
    fact("micro-batches", std::to_string(d.micro_batches));
    fact("requests in all", fixed(d.requests.value * d.attention_ranks, 0));
    fact("time a token", significant(v.per_token.value * 1e3) + " ms");
    fact("tokens/s/GPU", significant(v.rate));
    fact("per 1M tokens", v.cost.value > 0 ? "$" + fixed(a.best.dollars_per_million(), 3) : "no price");
    out += "</dl>\n<h2>Reasons</h2>\n<table>\n<tr><th>reason</th><th>margin</th><th></th></tr>\n";
    for (int i = 0; i < plan::reason_count; ++i) {
        const auto r = static_cast<plan::reason>(i);
        const std::string kind = !v.has(r) ? "good" : r < plan::first_advice ? "bad" : "soft";
        out += "<tr><td class=\"" + kind + "\">" + (v.has(r) ? (r < plan::first_advice ? "✗ " : "note: ") : "✓ ") +
               escape(words_of(r).what) + "</td><td class=\"n\">" + percent(v.margin(r)) + "</td><td>" +
               (v.has(r) ? escape(words_of(r).remedy) : "") + "</td></tr>\n";
    }
    out += "</table>\n<h2>Attention against hardware</h2>\n" + roofline_figure(q) +
           "<h2>How many attention ranks</h2>\n" + ratio_figure(q, a) + "<h2>What a token costs</h2>\n" +
           cost_figure(q) + "</body>\n</html>\n";
    return out;
}

} // namespace planner
