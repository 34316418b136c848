// SPDX-License-Identifier: Apache-2.0
// ashlar-replay: runs the scheduler's log of a server again and says whether it would act the same.
//
//     ashlar-serve --log-dir logs ...        ashlar-replay logs/sched-*.log
//     ashlar-replay --print LOG              a line a record: time in ns, event, actions; each a name and its numbers
//
// Exit status: 0 identical, 1 it differs, 2 the file is no log.
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include <ashlar/sched.hpp>

namespace sched = ashlar::sched;

namespace {

// By their index, which never changes its meaning.
constexpr std::array event_names{"instance_up", "instance_down", "heartbeat",      "arrive",          "cancel",
                                 "stop",        "reserved",      "reserve_failed", "prefill_done",    "token",
                                 "item_failed", "batch_done",    "transfer_done",  "transfer_failed", "tick",
                                 "drain"};
constexpr std::array action_names{"reject",     "finish",  "fail",          "retry",     "reserve", "launch_batch",
                                  "batch_item", "release", "instance_lost", "set_timer", "drained"};
static_assert(event_names.size() == std::variant_size_v<sched::event>);
static_assert(action_names.size() == std::variant_size_v<sched::action>);

template <class T>
std::string shown(const T& value) {
    if constexpr (std::is_same_v<T, ashlar::error>)
        return '"' + std::string(ashlar::to_string(value.code)) + '"';
    else if constexpr (std::is_enum_v<T>)
        return std::to_string(static_cast<unsigned>(value));
    else if constexpr (std::is_arithmetic_v<T>)
        return std::to_string(value);
    else if constexpr (requires { value.ns; })
        return std::to_string(value.ns);
    else
        return std::to_string(value.value);
}

template <class Variant, class Names>
void print(const Variant& one, const Names& names) {
    std::printf(" %s", names[one.index()]);
    std::visit(
        [](const auto& of) {
            std::apply([&](auto... member) { (std::printf(" %s", shown(of.*member).c_str()), ...); },
                       std::decay_t<decltype(of)>::fields);
        },
        one);
}

std::vector<char> contents(const char* path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

int print_log(const char* path) {
    const std::vector<char> bytes = contents(path);
    sched::log_reader in(std::as_bytes(std::span(bytes)));
    while (const auto record = in.next()) {
        std::printf("%lld", static_cast<long long>(record->now.ns));
        print(record->what, event_names);
        ashlar::byte_reader actions(record->action_bytes);
        for (std::uint32_t i = 0; i < record->action_count; ++i) {
            sched::action said;
            if (!sched::decode(actions, said)) return std::fprintf(stderr, "%s: it is damaged\n", path), 2;
            std::printf(" |");
            print(said, action_names);
        }
        std::printf("\n");
    }
    return in.ok() ? 0 : (std::fprintf(stderr, "%s: this is no log of a scheduler, or it is damaged\n", path), 2);
}

int replay(const char* path) {
    const std::vector<char> bytes = contents(path);
    const auto said = sched::replay(std::as_bytes(std::span(bytes)),
                                    [](const sched::pd_options& options) { return sched::pd<>(options); });
    if (!said) return std::fprintf(stderr, "%s: this is no log of a scheduler, or it is damaged\n", path), 2;
    const auto& report = said.value();
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("%s: %llu records, %llu actions", path, number(report.records), number(report.actions));
    if (report.truncated) std::printf(", the last record cut short");
    if (!report.identical()) {
        std::printf("; DIFFERENT from record %llu on\n", number(report.first_difference));
        return 1;
    }
    std::printf("; identical\n");
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: ashlar-replay [--print] LOG...\n"), 2;
    if (std::strcmp(argv[1], "--print") == 0) return argc == 3 ? print_log(argv[2]) : 2;
    int worst = 0;
    for (int i = 1; i < argc; ++i) {
        const int status = replay(argv[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}
