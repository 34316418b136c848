// SPDX-License-Identifier: Apache-2.0
#include <support/mapped_file.hpp>

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ashlar::support {

outcome<mapped_file> mapped_file::open(const std::string& path) {
    const auto complain = [&](const char* what) {
        const int number = errno;
        return make_fault(errc::io, std::string(what) + " '" + path + "': " + std::generic_category().message(number),
                          number);
    };
    const int descriptor =
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe without a writer is no wait
    if (descriptor < 0) return complain("cannot open the model file");
    struct stat facts{};
    if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size <= 0) {
        if (S_ISDIR(facts.st_mode))
            errno = EISDIR;
        else if (errno == 0 || facts.st_size <= 0)
            errno = EINVAL;
        const fault why = complain("cannot use the model file");
        ::close(descriptor);
        return why;
    }
    const auto size = static_cast<std::size_t>(facts.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    const int mapping_error = errno;
    ::close(descriptor);
    errno = mapping_error;
    if (data == MAP_FAILED) return complain("cannot map the model file");
    return mapped_file(data, size);
}

mapped_file::~mapped_file() {
    if (data_) ::munmap(data_, size_);
}

void mapped_file::release_pages() const {
    ::madvise(data_, size_, MADV_DONTNEED); // a hint: the mapping is clean and file-backed
}

} // namespace ashlar::support
