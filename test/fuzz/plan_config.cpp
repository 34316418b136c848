// SPDX-License-Identifier: Apache-2.0
// Files that ashlar-plan reads: whatever the bytes are, there is a model or a device that every formula can take, or an
// error that names the file. What begins with { is read as config.json, all else as the TOML file of a device, and its
// first line as each kind of number.
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <plan/device_toml.cpp>
#include <plan/hf_config.cpp>
#include <plan/words.cpp>

#include "require.hpp"

namespace {

namespace of = ashlar::plan::catalog;
namespace plan = ashlar::plan;
namespace units = ashlar::units;

template <class Read>
void read(Read reader, std::string_view names) {
    try {
        reader();
    } catch (const planner::bad_input& why) {
        require(std::string_view(why.what()).find(names) != std::string_view::npos);
    }
}

// At 10^7 tokens and 10^5 ranks.
void judge(const plan::model& m, const plan::device& d, plan::precision weights) {
    if (!(rate(d, weights.in).value > 0)) return;
    plan::deployment all{.what = m,
                         .attention = d,
                         .ffn = d,
                         .attention_ranks = 50000,
                         .ffn_ranks = 50000,
                         .requests = units::request(48),
                         .context = units::token(1e7),
                         .per_token = units::second(0.05),
                         .weights = weights,
                         .card = units::wire_rate(5e10)};
    const plan::verdict v = plan::judge(all);
    require(!std::isnan(v.per_token.value) && !std::isnan(v.rate) && v.rate >= 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (text.starts_with("{")) {
        read(
            [&] {
                const planner::loaded_model m = planner::read_hf_config(text, "file", "fuzz");
                const plan::weights w = count_weights(m.shape);
                require(m.shape.layers() >= 1 && m.shape.layers() <= 4096 && std::isfinite(w.total()) && w.total() > 0);
                require(w.active() <= w.total() * (1 + 1e-12) && m.weights.bytes() > 0);
                judge(m.shape, of::h800, m.weights);
            },
            "file");
        return 0;
    }
    read(
        [&] {
            const plan::device d = planner::read_device(text, "file");
            require(d.name[0] != 0 && d.source[0] != 0 && d.memory.value > 0 && d.bandwidth.value > 0);
            require(std::isfinite(balance(d, plan::math::bf16).value));
            judge(of::step3, d, plan::stored::fp8);
        },
        "file");
    const std::string_view line = text.substr(0, text.find('\n'));
    read([&] { require(planner::read_count(line) >= 1); }, "");
    read([&] { require(planner::read_duration(line).value > 0); }, "");
    read([&] { require(planner::read_bytes(line).value > 0); }, "");
    read([&] { require(planner::read_rate(line).value > 0); }, "");
    read([&] { require(planner::read_price(line).value > 0); }, "");
    read([&] { require(planner::read_share(line) <= 1); }, "");
    return 0;
}
