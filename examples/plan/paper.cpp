// SPDX-License-Identifier: Apache-2.0
#include "paper.hpp"

#include <cstdio>

#include "words.hpp"

namespace planner {

namespace {

namespace of = ashlar::plan::catalog;
using namespace ashlar::literals;
using plan::convention;

struct printed_row {
    const char* name;
    const plan::model* shape;
    const char* kv[2];       // Table 2: bytes at 8K and 32K
    const char* flop[4];     // Table 3: core at 8K and 32K, linear, feed-forward
    const char* dollars[12]; // Table 6: attention at 8K, at 32K, feed-forward; each on H800, H20, A800, 910B
};
constexpr printed_row rows[] = {
    {"DSv3",
     &of::deepseek_v3,
     {"2.88e8", "1.15e9"},
     {"1.47e11", "5.89e11", "2.28e10", "4.84e10"},
     {"0.054", "0.128", "0.114", "0.113", "0.197", "0.460", "0.409", "0.407", "0.014", "0.036", "0.032", "0.032"}},
    {"Kimi K2",
     &of::kimi_k2,
     {"2.88e8", "1.15e9"},
     {"7.37e10", "2.95e11", "1.23e10", "4.84e10"},
     {"0.051", "0.065", "0.057", "0.057", "0.194", "0.231", "0.205", "0.204", "0.014", "0.036", "0.032", "0.032"}},
    {"Qwen3 MoE",
     &of::qwen3_235b,
     {"7.89e8", "3.15e9"},
     {"2.52e10", "1.01e11", "1.34e10", "2.84e10"},
     {"0.135", "0.054", "0.091", "0.101", "0.527", "0.185", "0.338", "0.376", "0.008", "0.021", "0.019", "0.019"}},
    {"Qwen3 32B",
     &of::qwen3_32b,
     {"1.07e9", "4.29e9"},
     {"1.72e10", "6.87e10", "1.21e10", "5.03e10"},
     {"0.181", "0.069", "0.120", "0.133", "0.716", "0.248", "0.455", "0.508", "0.014", "0.038", "0.034", "0.033"}},
    {"Llama 4 M",
     &of::llama4_maverick,
     {"1.01e9", "2.21e9"},
     {"8.05e9", "1.41e10", "6.04e9", "2.42e10"},
     {"0.169", "0.060", "0.109", "0.121", "0.369", "0.128", "0.235", "0.262", "0.007", "0.018", "0.016", "0.016"}},
    {"MM M1",
     &of::minimax_m1,
     {"9.23e8", "1.93e9"},
     {"3.42e9", "1.15e10", "3.75e10", "5.44e10"},
     {"0.164", "0.079", "0.121", "0.132", "0.330", "0.135", "0.226", "0.249", "0.015", "0.041", "0.036", "0.036"}},
    {"ERNIE 4.5",
     &of::ernie_45,
     {"9.06e8", "3.62e9"},
     {"1.45e10", "5.80e10", "1.63e10", "7.61e10"},
     {"0.155", "0.063", "0.105", "0.116", "0.606", "0.214", "0.388", "0.432", "0.021", "0.057", "0.051", "0.051"}},
    {"Pangu Pro",
     &of::pangu_pro,
     {"8.05e8", "3.22e9"},
     {"8.05e9", "3.22e10", "6.04e9", "2.38e10"},
     {"0.135", "0.049", "0.088", "0.098", "0.536", "0.183", "0.340", "0.379", "0.007", "0.018", "0.016", "0.016"}},
    {"Step-3",
     &of::step3,
     {"2.56e8", "1.02e9"},
     {"3.27e10", "1.31e11", "2.07e10", "5.33e10"},
     {"0.048", "0.040", "0.040", "0.043", "0.176", "0.114", "0.120", "0.133", "0.015", "0.040", "0.036", "0.035"}},
};
struct printed_device {
    const char* name;
    const plan::device* device;
    units::wire_rate server;                    // eight cards
    const char *per_flop, *per_byte, *sparsity; // Tables 5 and 7
};
constexpr printed_device devices[] = {
    {"H800", &of::h800, 3200_Gbps, "2.80e-19", "1.66e-16", "0.058"},
    {"H20", &of::h20, 3200_Gbps, "7.51e-19", "5.56e-17", "0.007"},
    {"A800", &of::a800, 1600_Gbps, "6.68e-19", "1.04e-16", "0.031"},
    {"910B", &of::ascend_910b, 1600_Gbps, "6.65e-19", "1.16e-16", "0.034"},
};

} // namespace

std::string cell::text() const {
    const std::size_t e = printed.find('e'), point = printed.find('.');
    if (point == std::string::npos) return fixed(computed, 0);
    if (e == std::string::npos) return fixed(computed, static_cast<int>(printed.size() - point - 1));
    char text[64];
    std::snprintf(text, sizeof text, "%.*e", static_cast<int>(e - point - 1), computed);
    std::string out(text), exponent = out.substr(out.find('e') + 1);
    out.resize(out.find('e') + 1);
    return out + std::to_string(std::stoi(exponent)); // 2.88e8, as the report writes
}

table paper_table(int number) {
    table t;
    t.number = number;
    constexpr units::token k8 = 8192_tokens, k32 = 32768_tokens;
    if (number == 5 || number == 7) {
        t.title = number == 5
                      ? "dollars a FLOP and dollars a byte of memory traffic"
                      : "the smallest sparsity that a server's network feeds (hidden 7168, 61 layers, 50 ms / 3)";
        if (number == 5) t.note = "2.80e-19 is 2 / 3600 / 1.98e15 = 2.806e-19 cut off instead of rounded.";
        t.columns = number == 5 ? std::vector<std::string>{"$/FLOP", "$/byte"} : std::vector<std::string>{"S min"};
        for (const printed_device& d : devices) {
            if (number == 7) {
                const double s = plan::sparsity_min(7168, 61, balance(*d.device, plan::math::fp8), d.server,
                                                    ashlar::exact(50_ms) / 3);
                t.cells.push_back({d.name, t.columns[0], s, d.sparsity});
                continue;
            }
            const double flop = (d.device->price / rate(*d.device, plan::math::fp8)).value;
            t.cells.push_back({d.name, t.columns[0], flop, d.per_flop});
            t.cells.push_back({d.name, t.columns[1], (d.device->price / d.device->bandwidth).value, d.per_byte});
        }
        return t;
    }
    t.title = number == 2   ? "KV cache that a decoded token reads, bytes"
              : number == 3 ? "FLOP of a decoded token"
                            : "dollars per 1M decoded tokens";
    if (number == 2) t.columns = {"KV 8K", "KV 32K"};
    if (number == 3) t.columns = {"core 8K", "core 32K", "linear", "FFN"};
    if (number == 6) {
        for (const char* part : {"attn 8K ", "attn 32K ", "FFN "}) {
            for (const printed_device& d : devices) t.columns.push_back(part + std::string(d.name));
        }
    }
    for (const printed_row& r : rows) {
        const plan::work near = work_per_token(*r.shape, k8, convention::step3);
        const plan::work far = work_per_token(*r.shape, k32, convention::step3);
        std::vector<double> values;
        if (number == 2) values = {near.kv.value, far.kv.value};
        if (number == 3) values = {near.core.value, far.core.value, near.linear.value, near.feed.value};
        if (number == 6) {
            for (const plan::work& w : {near, far}) {
                for (const printed_device& d : devices) values.push_back(attention_cost(w, *d.device).value * 1e6);
            }
            for (const printed_device& d : devices) values.push_back(ffn_cost(near, *d.device).value * 1e6);
        }
        const char* const* printed = number == 2 ? r.kv : number == 3 ? r.flop : r.dollars;
        for (std::size_t k = 0; k < values.size(); ++k)
            t.cells.push_back({r.name, t.columns[k], values[k], printed[k]});
    }
    return t;
}

} // namespace planner
