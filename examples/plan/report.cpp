// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace planner {

namespace {

std::string ms(units::second t) { return significant(t.value * 1e3) + " ms"; }
std::string us(units::second t) { return fixed(t.value * 1e6, 0); }
std::string price(const plan::device& d) {
    return d.price.value > 0 ? "$" + fixed(d.price.value * 3600, 2) + "/h" : "no price in its source";
}
std::string device_line(const plan::device& d) {
    char month[16];
    std::snprintf(month, sizeof month, "%04d-%02d", d.as_of.year % 10000, d.as_of.month % 100);
    return std::string(d.name) + (d.is == plan::status::shipping ? "" : std::string(", ") + name_of(d.is)) + ", " +
           price(d) + " (" + d.source + ", " + month + ")";
}
std::string ranks_of(int ranks, const char* what) {
    return std::to_string(ranks) + " " + what + (ranks == 1 ? " rank" : " ranks");
}
json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

// What an alternative does, in the words of the verdict.
std::string offers(const alternative& each) {
    return significant(each.plan.rate) + " tokens/s/GPU" +
           (each.dollars_per_million > 0 ? ", $" + fixed(each.dollars_per_million, 3) + " per 1M" : "");
}
} // namespace

std::string percent(double margin) {
    if (margin < -10) return "below -1000 %";
    const double p = margin * 100;
    const double shown = p < 0 ? -std::ceil(-p - 1e-9) : std::floor(p + 1e-9);
    return (shown > 0 ? "+" : "") + fixed(shown == 0 ? 0 : shown, 0) + " %";
}

std::string align(const std::vector<std::vector<std::string>>& rows, std::string_view indent) {
    std::vector<std::size_t> widths;
    const auto letters = [](const std::string& text) {
        return static_cast<std::size_t>(
            std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    };
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], letters(row[k]));
    }
    std::string out;
    for (const auto& row : rows) {
        std::string line(indent);
        for (std::size_t k = 0; k < row.size(); ++k) {
            const std::string pad(widths[k] - letters(row[k]), ' ');
            line += (k != 0 ? "  " : "") + (k != 0 ? pad + row[k] : row[k] + pad);
        }
        line.resize(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

std::string refusal(const candidate& c) {
    const reason_words& worst = words_of(c.judged.worst());
    return std::string(worst.name) + "; " + worst.remedy;
}
std::string ratio_text(const plan::deployment& d) {
    const int by = std::gcd(d.attention_ranks, d.ffn_ranks);
    return std::to_string(d.attention_ranks / by) + " : " + std::to_string(d.ffn_ranks / by);
}

std::string as_text(const question& q, const answer& a) {
    const plan::deployment& d = a.best.what;
    const plan::verdict& v = a.best.judged;
    std::string out = std::string(q.model.shape.name) + " at " + tokens_text(q.context) + " tokens, " +
                      ms(q.per_token) + " a token: attention on " + q.attention.name + ", experts on " + q.ffn.name +
                      "\n\n";
    const std::vector<alternative> others = alternatives(d);
    if (!a.found) {
        out += "INFEASIBLE: " + refusal(a.best) + ". The plan that misses by least:\n\n";
    } else if (v.has(plan::reason::beaten_by)) {
        out += "FEASIBLE, but the same devices do better colocated" +
               (others.empty()
                    ? ""
                    : ": " + others.front().name + " on " + others.front().device + ", " + offers(others.front())) +
               "\n\n";
    } else {
        out += "FEASIBLE\n\n";
    }

    const double all = d.requests.value * d.attention_ranks;
    std::vector<std::pair<std::string, std::string>> facts = {
        {"ratio", ratio_text(d) + "  (" + ranks_of(d.attention_ranks, "attention") + ", " +
                      ranks_of(d.ffn_ranks, "FFN") +
                      (d.ffn_group > 1 ? ", experts cut over " + std::to_string(d.ffn_group) + " of them" : "") + ")"},
        {"micro-batches",
         std::to_string(d.micro_batches) + "  (" + fixed(v.micro_batches_to_hide, 1) + " hide the network)"},
        {"batch", fixed(d.requests.value, 0) + " requests an attention rank, " + fixed(all, 0) + " in all, " +
                      fixed(d.tokens(), 0) + " tokens a micro-batch"},
        {"time", ms(v.per_token) + " a token of " + ms(q.per_token)},
        {"speed", significant(v.rate) + " tokens/s/GPU"},
        {"price", v.cost.value > 0 ? "$" + fixed(a.best.dollars_per_million(), 3) + " per 1M tokens"
                                   : "unknown; say attention_price= and ffn_price= in dollars an hour"},
        {"stages", "attention " + us(v.stages.attention) + ", out " + us(v.stages.to_ffn) + ", experts " +
                       us(v.stages.ffn) + ", back " + us(v.stages.to_attention) + " of " + us(v.budget) + " µs"}};
    for (const auto& [key, value] : facts) out += "  " + key + std::string(15 - key.size(), ' ') + value + "\n";

    out += "\n  reasons, with what is left of each limit\n";
    for (int i = 0; i < plan::reason_count; ++i) {
        const auto r = static_cast<plan::reason>(i);
        const reason_words& words = words_of(r);
        const char* mark = !v.has(r) ? "ok  " : r < plan::first_advice ? "FAIL" : "note";
        const std::string margin = percent(v.margin(r)), name(words.name);
        out += std::string("  ") + mark + " " + name + std::string(25 - name.size(), ' ') +
               std::string(margin.size() < 13 ? 13 - margin.size() : 0, ' ') + margin + "  " + words.what +
               (v.has(r) ? std::string("; ") + words.remedy : "") + "\n";
    }
    out += "\n  the same ranks colocated\n";
    for (const alternative& each : others) {
        const std::string name = each.name + " on " + each.device;
        out += "  " + name + std::string(name.size() < 44 ? 44 - name.size() : 0, ' ') + "  " + offers(each) + ", " +
               ms(each.plan.per_token) + "\n";
    }
    if (others.empty()) out += "  nothing fits\n";
    out += "\n  " + device_line(q.attention) + "\n";
    if (q.ffn != q.attention) out += "  " + device_line(q.ffn) + "\n";
    out += "  weights " + name_of(q.model.weights) + ", KV " + name_of(q.model.shape.main_group().mix.kv) +
           ", model from " + q.model.source + "; a roofline with stated efficiencies, nothing was run\n";
    return out;
}

json as_json(const question& q, const answer& a) {
    const plan::deployment& d = a.best.what;
    const plan::verdict& v = a.best.judged;
    const plan::weights counted = count_weights(q.model.shape);
    json out;
    out["model"] = q.model.shape.name;
    out["parameters"] = counted.total();
    out["active_parameters"] = counted.active();
    out["weights"] = name_of(q.model.weights);
    out["attention"] = q.attention.name;
    out["ffn"] = q.ffn.name;
    out["context_tokens"] = q.context.value;
    out["slo_s"] = q.per_token.value;
    out["feasible"] = a.found;
    out["better_colocated"] = v.has(plan::reason::beaten_by);
    out["attention_ranks"] = d.attention_ranks;
    out["ffn_ranks"] = d.ffn_ranks;
    out["ratio"] = a.best.ratio();
    out["ffn_group"] = d.ffn_group;
    out["micro_batches"] = d.micro_batches;
    out["requests_per_attention_rank"] = d.requests.value;
    out["requests"] = d.requests.value * d.attention_ranks;
    out["time_per_token_s"] = finite(v.per_token.value);
    out["tokens_per_s_per_gpu"] = finite(v.rate);
    out["usd_per_1m_tokens"] = v.cost.value > 0 ? finite(a.best.dollars_per_million()) : json(nullptr);
    out["stages_s"] = {{"attention", finite(v.stages.attention.value)},
                       {"to_ffn", finite(v.stages.to_ffn.value)},
                       {"ffn", finite(v.stages.ffn.value)},
                       {"to_attention", finite(v.stages.to_attention.value)},
                       {"budget", finite(v.budget.value)}};
    for (int i = 0; i < plan::reason_count; ++i) {
        const auto r = static_cast<plan::reason>(i);
        out["reasons"].push_back({{"name", words_of(r).name},
                                  {"holds", !v.has(r)},
                                  {"margin", finite(v.margin(r))},
                                  {"advice", r >= plan::first_advice}});
    }
    out["colocated"] = json::array();
    for (const alternative& each : alternatives(d)) {
        out["colocated"].push_back(
            {{"name", each.name},
             {"device", each.device},
             {"usd_per_1m_tokens", each.dollars_per_million > 0 ? finite(each.dollars_per_million) : json(nullptr)},
             {"tokens_per_s_per_gpu", finite(each.plan.rate)},
             {"time_per_token_s", finite(each.plan.per_token.value)}});
    }
    out["curve"] = json::array();
    for (const candidate& each : a.curve) {
        out["curve"].push_back({{"attention_ranks", each.what.attention_ranks},
                                {"ffn_ranks", each.what.ffn_ranks},
                                {"feasible", each.judged.ok()},
                                {"requests_per_attention_rank", each.what.requests.value},
                                {"tokens_per_s_per_gpu", finite(each.judged.rate)}});
    }
    for (const plan::device* each : {&q.attention, &q.ffn}) {
        out["sources"].push_back(
            {{"device", each->name},
             {"status", name_of(each->is)},
             {"source", each->source},
             {"as_of", std::to_string(each->as_of.year) + "-" + std::to_string(each->as_of.month)}});
    }
    return out;
}

std::string as_text(const table& t) {
    std::vector<std::vector<std::string>> rows{{"", ""}};
    rows[0].insert(rows[0].end(), t.columns.begin(), t.columns.end());
    int differ = 0;
    for (std::size_t at = 0; at < t.cells.size(); at += t.columns.size()) {
        std::vector<std::string> ours{t.cells[at].row, "ours"}, theirs{"", "paper"};
        for (std::size_t k = 0; k < t.columns.size(); ++k) {
            const cell& c = t.cells[at + k];
            ours.push_back(c.text());
            theirs.push_back(c.printed + (c.same() ? "" : "*"));
            differ += !c.same();
        }
        rows.push_back(std::move(ours)), rows.push_back(std::move(theirs));
    }
    return "Step-3 report (arXiv 2507.19427), Table " + std::to_string(t.number) + ": " + t.title + "\n\n" +
           align(rows) + "\n  " + std::to_string(t.cells.size() - static_cast<std::size_t>(differ)) + " of " +
           std::to_string(t.cells.size()) + " values are the paper's to the digit" +
           (differ ? "; * marks the others. " + t.note : "") + "\n";
}

json as_json(const table& t) {
    json out{{"table", t.number}, {"title", t.title}, {"source", "arXiv 2507.19427"}, {"cells", json::array()}};
    for (const cell& c : t.cells) {
        out["cells"].push_back({{"row", c.row},
                                {"column", c.column},
                                {"computed", c.computed},
                                {"ours", c.text()},
                                {"paper", c.printed},
                                {"same", c.same()}});
    }
    return out;
}

} // namespace planner
