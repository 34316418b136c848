// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "fleet_key.hpp"

namespace serve {

void name_process(const std::string& role) {
    ::prctl(PR_SET_NAME, ("ashlar-" + role).c_str());
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ " + role + "[%P] %v");
}

void die_with_parent(int parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGHUP, SIG_IGN); // a terminal that closes ends no server: the supervisor takes no notice either
    if (::getppid() != parent) std::_Exit(1);
}

void announce_ready(const std::string& url, const std::string& fabric, const settings& how) {
    std::printf("ashlar-serve: ready on %s model=%s role=%s fabric=%s pid=%d\n", url.c_str(), how.model_name.c_str(),
                how.role.c_str(), fabric.c_str(), static_cast<int>(how.parent ? how.parent : ::getpid()));
    std::fflush(stdout);
}

ashlar::key128 key_from_fd(int fd) {
    ashlar::key128 key;
    if (::pread(fd, &key, sizeof key, 0) != sizeof key) throw std::runtime_error("the fleet key was not handed over");
    return key;
}

int fd_of_key(ashlar::key128 key) {
    const int fd = ::memfd_create("ashlar-fleet-key", MFD_ALLOW_SEALING);
    if (fd < 0 || ::write(fd, &key, sizeof key) != sizeof key)
        throw std::runtime_error(std::string("memfd: ") + std::strerror(errno));
    ::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
}

ashlar::key128 key_from_file(const std::string& path) {
    struct stat facts{};
    std::ifstream in(path);
    if (!in || ::stat(path.c_str(), &facts) != 0)
        throw std::runtime_error("cannot read the fleet key " + path + ": " + std::strerror(errno));
    if (facts.st_mode & (S_IRWXG | S_IRWXO))
        throw std::runtime_error("others can read the fleet key " + path + "; run: chmod 600 " + path);
    std::string digits;
    in >> digits;
    if (digits.size() != 32 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
        throw std::runtime_error(path + " must hold 32 hexadecimal digits; make one with: openssl rand -hex 16 > " +
                                 path);
    return {std::stoull(digits.substr(0, 16), nullptr, 16), std::stoull(digits.substr(16), nullptr, 16)};
}

} // namespace serve
