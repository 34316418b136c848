// SPDX-License-Identifier: Apache-2.0
#include "journal.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

namespace serve {

namespace sched = ashlar::sched;

journal::journal(const std::string& folder, const sched::pd_options& options) {
    if (folder.empty()) return;
    char name[64];
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::strftime(name, sizeof name, "/sched-%Y%m%dT%H%M%S", &parts);
    const std::string path = folder + name + "-" + std::to_string(::getpid()) + ".log";
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_EXCL, 0600);
    if (fd_ < 0) throw std::runtime_error("cannot write " + path + ": " + std::strerror(errno));
    std::array<std::byte, sched::log_head_bytes> head{};
    ashlar::byte_writer out(head);
    sched::write_log_head(out, options);
    write(out.written());
    spdlog::info("router: writing the scheduler's log to {}", path);
}

journal::~journal() {
    if (fd_ >= 0) ::close(fd_);
}

void journal::append(ashlar::instant now, const sched::event& what, std::span<const sched::action> said) {
    if (fd_ < 0) return;
    record_.resize(sched::record_bytes_max(said.size()));
    ashlar::byte_writer out(record_);
    sched::write_record(out, now, what, said);
    write(out.written());
}

void journal::write(std::span<const std::byte> bytes) {
    while (!bytes.empty() && fd_ >= 0) {
        const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            spdlog::error("router: cannot write the log any more: {}", std::strerror(errno));
            ::close(std::exchange(fd_, -1));
            return;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
}

} // namespace serve
