// SPDX-License-Identifier: Apache-2.0
#include "catalogue.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "device_toml.hpp"

namespace planner {

namespace {

namespace of = ashlar::plan::catalog;

std::string read_file(const std::string& path) {
    std::error_code fault;
    if (std::filesystem::is_directory(path, fault)) throw bad_input(path + ": is a directory; name the file in it");
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    std::string text(1 << 21, '\0'); // readers refuse much smaller files
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in.is_open() || in.bad()) throw bad_input(path + ": cannot be read: " + std::strerror(errno ? errno : EIO));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

bool is_file(const std::string& name, std::string_view ending) {
    return name.ends_with(ending) || name.find('/') != std::string::npos;
}

template <class Named>
const Named& look_up(std::string_view kind, const std::string& name, std::span<const Named> all, const char* file) {
    std::vector<std::string> names;
    for (const Named& each : all) {
        if (plain(each.name) == plain(name)) return each;
        names.push_back(each.name);
    }
    throw bad_input("\"" + name + "\" is no " + std::string(kind) + did_you_mean(name, names) +
                    "\n  the catalogue has " + join(names) + "\n  or name a file of your own: " + file);
}

} // namespace

std::span<const named_model> all_models() {
    static const named_model all[] = {{"step3", &of::step3},
                                      {"deepseek-v3", &of::deepseek_v3},
                                      {"deepseek-v3.2", &of::deepseek_v32},
                                      {"deepseek-v4-pro", &of::deepseek_v4_pro},
                                      {"kimi-k2", &of::kimi_k2},
                                      {"qwen3-235b", &of::qwen3_235b},
                                      {"qwen3-30b", &of::qwen3_30b},
                                      {"qwen3-32b", &of::qwen3_32b},
                                      {"qwen3-8b", &of::qwen3_8b},
                                      {"llama4-maverick", &of::llama4_maverick},
                                      {"minimax-m1", &of::minimax_m1},
                                      {"minimax-m2.5", &of::minimax_m25},
                                      {"ernie-4.5", &of::ernie_45},
                                      {"pangu-pro", &of::pangu_pro},
                                      {"llama3.1-405b", &of::llama31_405b},
                                      {"smollm2-135m", &of::smollm2_135m}};
    return all;
}
std::span<const named_device> all_devices() {
    static const named_device all[] = {{"h800", &of::h800},
                                       {"h20", &of::h20},
                                       {"a800", &of::a800},
                                       {"910b", &of::ascend_910b},
                                       {"a100", &of::a100},
                                       {"h100", &of::h100},
                                       {"h200", &of::h200},
                                       {"b200", &of::b200},
                                       {"b300", &of::b300},
                                       {"gb200", &of::gb200},
                                       {"gb300", &of::gb300},
                                       {"l4", &of::l4},
                                       {"l20", &of::l20},
                                       {"l40s", &of::l40s},
                                       {"rubin", &of::rubin},
                                       {"rubin-cpx", &of::rubin_cpx},
                                       {"groq3-lpu", &of::groq3_lpu},
                                       {"mi455x", &of::mi455x},
                                       {"910c-die", &of::ascend_910c_die}};
    return all;
}

loaded_model find_model(const std::string& given) {
    std::error_code none;
    const auto inside = std::filesystem::path(given) / "config.json"; // of a model's folder
    const std::string name =
        is_file(given, ".json") && std::filesystem::is_regular_file(inside, none) ? inside.string() : given;
    if (!is_file(name, ".json")) {
        return {.shape = *look_up("model", name, all_models(), "model=./config.json").shape,
                .weights = plan::stored::fp8,
                .source = "catalogue"};
    }
    const std::filesystem::path path(name);
    const std::string stem = path.stem().string();
    const std::string folder = std::filesystem::absolute(path).lexically_normal().parent_path().filename().string();
    return read_hf_config(read_file(name), name, stem == "config" && !folder.empty() ? folder : stem);
}
plan::device find_device(const std::string& name) {
    if (!is_file(name, ".toml")) return *look_up("device", name, all_devices(), "device=./mine.toml").device;
    return read_device(read_file(name), name);
}

} // namespace planner
