// SPDX-License-Identifier: Apache-2.0
// ashlar-plan: will attention and experts on different devices meet an objective, how, and at what price?
//
//     ashlar-plan model=step3 attention=h20 ffn=h800 context=32Ki slo=50ms
//
// Exit status: 0 it will, 1 it will not, 2 the input is bad.
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <ashlar/core/version.hpp>

#include "catalogue.hpp"
#include "design.hpp"
#include "paper.hpp"
#include "question.hpp"
#include "report.hpp"
#include "sweep.hpp"

namespace {

using namespace planner;

constexpr const char* examples = R"(
Words, key=value:
  model       a name (ashlar-plan list) or a file: Hugging Face's config.json
  device      both halves; or attention= and ffn= apart; a name or a TOML file      h800
  context     tokens of a request: 32768, 32Ki, 128K                                8Ki
  slo         time a token: 50ms                                                    50ms
  weights kv  precision: fp32 bf16 fp8 fp8-block mxfp8 int8 mxfp4 nvfp4             the model's
  ratio       attention to FFN ranks: 3, 3:2 or 3A2F; or attention_ranks=, ffn_ranks=   the best
  ranks       in all, at most                                                       512
  micro_batches, requests (of an attention rank)                                    the best
  accept gap  tokens a step with speculation; time between steps                    1, 0
  card latency jitter   one way of a rank's port; of a hop                          the device's, 0
  reach       large (what large kernels reach) or ideal                             large
  memory      share of a device's that may be used                                  0.9
  attention_price ffn_price   dollars an hour                                       the catalogue's

Examples:
  ashlar-plan model=step3 attention=h20 ffn=h800 context=32Ki slo=50ms
  ashlar-plan model=./config.json device=./mine.toml context=128K --html plan.html
  ashlar-plan table 6
  ashlar-plan sweep model=step3 attention=h20,h800 ffn=h800 context=8Ki,32Ki,128Ki
  ashlar-plan design attention=h20 ffn=h800 context=8Ki slo=50ms parameters=300B..330B
  ashlar-plan list

Exit status: 0 it will meet the objective, 1 it will not, 2 the input is bad.)";

constexpr const char* design_words = R"(
Words, key=value:
  device attention ffn context slo card accept attention_price ffn_price   as of a plan
  weights          precision of the weights                              fp8
  kv               precisions of the cache to choose from, two at most   fp8,int4
  parameters       in all, without tables                                300B..330B
  active           of the experts that a token meets, at most            40B
  hidden           in steps of 1,024                                     7168..8192
  layers dense_layers dense_width                                        61 5 18432
  attention_rank   query heads times their dimension, at least           16384
  key_dims         KV heads times their dimension, at least              256
  query_rank       of the low-rank query                                 2048
  width            of an expert, at most                                 8192
  show             rows to print                                         24

Example:
  ashlar-plan design attention=h20 ffn=h800 context=8Ki slo=50ms parameters=300B..330B

Exit status: 0 some shape fits, 1 none does, 2 the input is bad.)";

void show(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void show(const json& value) { show(value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"); }

int judge_one(const std::vector<std::string>& words, bool machine, const std::string& page) {
    const question q = read_question(asked(words, question_keys()));
    const answer a = solve(q);
    if (!page.empty()) {
        std::ofstream out(page, std::ios::binary);
        out << as_html(q, a);
        if (!out.flush()) throw bad_input("--html " + page + ": cannot be written");
    }
    machine ? show(as_json(q, a)) : show(as_text(q, a));
    return a.found ? 0 : 1;
}

int show_table(const std::string& number, bool machine) {
    for (const int each : paper_tables) {
        if (std::to_string(each) != number) continue;
        const table t = paper_table(each);
        machine ? show(as_json(t)) : show(as_text(t));
        return 0;
    }
    throw bad_input("table " + number +
                    ": of the Step-3 report there are 2 (KV bytes), 3 (FLOP), 5 (unit costs), 6 (dollars) and "
                    "7 (sparsity)");
}

int show_sweep(const std::vector<std::string>& words, bool machine) {
    std::vector<std::vector<std::string>> rows{{"model", "attention", "FFN", "context", "slo", "ratio", "micro",
                                                "batch", "tokens/s/GPU", "$/1M", "colocated", "verdict"}};
    json list = json::array();
    bool any = false;
    for (const swept& each : sweep(words)) {
        const candidate& best = each.got.best;
        any = any || each.got.found;
        const std::vector<alternative> others = alternatives(best.what);
        const std::string colocated = others.empty() ? "-"
                                      : others.front().dollars_per_million > 0
                                          ? fixed(others.front().dollars_per_million, 3)
                                          : significant(others.front().plan.rate);
        const plan::verdict& v = best.judged;
        rows.push_back({each.asked.model.shape.name, each.asked.attention.name, each.asked.ffn.name,
                        tokens_text(each.asked.context), significant(each.asked.per_token.value * 1e3) + " ms",
                        std::to_string(best.what.attention_ranks) + ":" + std::to_string(best.what.ffn_ranks),
                        std::to_string(best.what.micro_batches),
                        fixed(best.what.requests.value * best.what.attention_ranks, 0), significant(v.rate),
                        v.cost.value > 0 ? fixed(best.dollars_per_million(), 3) : "-", colocated,
                        !each.got.found                  ? words_of(v.worst()).name
                        : v.has(plan::reason::beaten_by) ? "colocate"
                                                         : "AFD"});
        if (machine) {
            json one = as_json(each.asked, each.got);
            one.erase("curve");
            list.push_back(std::move(one));
        }
    }
    machine ? show(list) : show(align(rows, ""));
    return any ? 0 : 1;
}

int show_design(const std::vector<std::string>& words, bool machine) {
    const designed d = design(asked(words, design_keys()));
    machine ? show(as_json(d)) : show(as_text(d));
    return d.found.count > 0 ? 0 : 1;
}

int show_list(bool machine) {
    json out;
    std::vector<std::vector<std::string>> models{{"model", "weights", "active", "layers", "KV at 32Ki"}};
    for (const named_model& each : all_models()) {
        const plan::weights w = count_weights(*each.shape);
        const double kv = plan::work_per_token(*each.shape, units::token(32768)).kv.value;
        models.push_back({each.name, significant(w.total() / 1e9) + "B", significant(w.active() / 1e9) + "B",
                          std::to_string(each.shape->layers()), significant(kv / 1e6) + " MB"});
        out["models"].push_back({{"name", each.name}, {"weights", w.total()}, {"active", w.active()}});
    }
    std::vector<std::vector<std::string>> devices{
        {"device", "status", "as of", "memory", "bandwidth", "FP8 TFLOPS", "$/h"}};
    for (const named_device& each : all_devices()) {
        const plan::device& d = *each.device;
        const auto tera = [](double n) { return n > 0 ? significant(n / 1e12) : std::string("-"); };
        const std::string month = (d.as_of.month < 10 ? "-0" : "-") + std::to_string(d.as_of.month);
        devices.push_back({each.name, name_of(d.is), std::to_string(d.as_of.year) + month,
                           significant(d.memory.value / 1e9) + " GB", significant(d.bandwidth.value / 1e12) + " TB/s",
                           tera(d.dense.fp8.value), d.price.value > 0 ? fixed(d.price.value * 3600, 2) : "-"});
        out["devices"].push_back({{"name", each.name}, {"status", name_of(d.is)}, {"source", d.source}});
    }
    const std::string types =
        "config.json of model_type " + join(hf_model_types()) + " and TOML files are read as well.\n";
    machine ? show(out) : show(align(models, "") + "\n" + align(devices, "") + "\n" + types);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "ashlar-plan: will attention and experts on different devices meet an objective, how, and at what price?"};
    app.footer(examples);
    app.set_version_flag("--version", "ashlar-plan " + std::to_string(ASHLAR_VERSION_MAJOR) + "." +
                                          std::to_string(ASHLAR_VERSION_MINOR) + "." +
                                          std::to_string(ASHLAR_VERSION_PATCH));
    std::vector<std::string> words, swept_words, designed_words;
    std::string page, number;
    bool machine = false;
    app.add_option("words", words, "key=value, see below");
    app.add_option("--html", page, "write a page with the roofline, the ratio curve and the costs")->type_name("FILE");
    app.add_flag("--json", machine, "print JSON");
    CLI::App* table = app.add_subcommand("table", "a table of the Step-3 report beside what is computed here");
    table->add_option("number", number, "2, 3, 5, 6 or 7")->required();
    CLI::App* sweep = app.add_subcommand("sweep", "one line for each combination of values with commas between");
    sweep->add_option("words", swept_words, "key=value,value; ratio=1..16")->required();
    CLI::App* inverse = app.add_subcommand("design", "shapes of models that suit this hardware: the Pareto set");
    inverse->add_option("words", designed_words, "key=value, see below");
    inverse->footer(design_words);
    CLI::App* list = app.add_subcommand("list", "models and devices of the catalogue");
    for (CLI::App* each : {table, sweep, inverse, list}) each->fallthrough();
    try {
        app.parse(argc, argv);
        if (!page.empty() && words.empty()) throw bad_input("--html is for a plan: ashlar-plan model=... --html FILE");
        if (table->parsed()) return show_table(number, machine);
        if (sweep->parsed()) return show_sweep(swept_words, machine);
        if (inverse->parsed()) return show_design(designed_words, machine);
        if (list->parsed()) return show_list(machine);
        if (words.empty()) throw CLI::CallForHelp();
        return judge_one(words, machine, page);
    } catch (const CLI::ParseError& why) {
        return app.exit(why) == 0 ? 0 : 2;
    } catch (const bad_input& why) {
        std::fprintf(stderr, "ashlar-plan: %s\n", why.what());
    } catch (const std::exception& why) {
        std::fprintf(stderr, "ashlar-plan: %s\n", why.what());
    }
    return 2;
}
