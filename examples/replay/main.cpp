// SPDX-License-Identifier: Apache-2.0
// ashlar-replay: runs the scheduler's log of a server again and says whether it would act the same.
//
//     ashlar-serve --log-dir logs ...        ashlar-replay logs/sched-*.log
//
// Exit status: 0 identical, 1 it differs, 2 the file is no log.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include <ashlar/sched.hpp>

namespace sched = ashlar::sched;

namespace {

int replay(const char* path) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in.is_open() || in.bad()) return std::fprintf(stderr, "%s: cannot be read\n", path), 2;
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
    if (argc < 2) return std::fprintf(stderr, "usage: ashlar-replay LOG...\n"), 2;
    int worst = 0;
    for (int i = 1; i < argc; ++i) {
        const int status = replay(argv[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}
