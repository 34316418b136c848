// SPDX-License-Identifier: Apache-2.0
// Shared memory without a name: a sealed memfd, which a process of the same user opens as /proc/<pid>/fd/<n>. Nothing
// stands in /dev/shm, so nothing is left there after kill -9; the kernel frees the pages with the last mapping. Pages
// are reserved at creation (no surprises on the way of a transfer) and then gathered into huge ones, as far as the
// kernel has them (a TLB miss or a page fault each 4 KiB costs more than copying them); the seal keeps their owner from
// taking them away again.
//
//     auto mine = shared_memory::create(1 << 20);   auto theirs = shared_memory::open(pid, fd, 1 << 20);
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/types.h>
#include <unistd.h>

#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::fabric {

// Owns a file descriptor and its mapping; the descriptor of an opened one is closed at once. Move-only.
class shared_memory {
public:
    shared_memory() = default;
    shared_memory(shared_memory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
          fd_(std::exchange(other.fd_, -1)) {}
    shared_memory& operator=(shared_memory other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~shared_memory() {
        if (data_) ::munmap(data_, size_);
        if (fd_ >= 0) ::close(fd_);
    }

    // Zeroed; `size` in bytes.
    static result<shared_memory> create(std::size_t size) {
        struct sysinfo machine{};
        if (::sysinfo(&machine) != 0) return system_error();
        if (size > machine.totalram * std::size_t{machine.mem_unit}) return {errc::exhausted, origin::fabric, ENOMEM};
        shared_memory m;
        m.fd_ = ::memfd_create("ashlar", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (m.fd_ < 0) return system_error();
        if (::fchmod(m.fd_, 0600) != 0) return system_error();
        int failed;
        do failed = ::fallocate(m.fd_, 0, 0, static_cast<off_t>(size));
        while (failed && errno == EINTR);
        if (failed) return system_error();
        if (::fcntl(m.fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return system_error();
        auto r = mapped(std::move(m), size);
        if (r && size >= huge_page) ::madvise(r->data_, size, collapse); // a wish
        return r;
    }

    // What another process has created as descriptor `number`, if it is at least `size` bytes that cannot go away.
    static result<shared_memory> open(std::int32_t pid, std::int32_t number, std::size_t size) {
        if (pid <= 0 || number < 0) return {errc::invalid_argument, origin::fabric};
        char path[48] = "/proc/";
        char* end = print(print(path + 6, pid, "/fd/"), number, "");
        *end = 0;
        shared_memory m;
        m.fd_ = ::open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (m.fd_ < 0)
            return errno == ENOENT ? result<shared_memory>(errc::peer_down, origin::fabric, ENOENT) : system_error();
        struct stat facts{};
        const int seals = ::fcntl(m.fd_, F_GET_SEALS);
        if (::fstat(m.fd_, &facts) != 0 || !S_ISREG(facts.st_mode) || seals < 0 || !(seals & F_SEAL_SHRINK) ||
            facts.st_size < 0 || static_cast<std::size_t>(facts.st_size) < size) {
            return {errc::corrupt, origin::fabric};
        }
        auto r = mapped(std::move(m), size);
        if (r) ::close(std::exchange(r->fd_, -1)); // the mapping is enough
        return r;
    }

    std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }
    std::int32_t descriptor() const { return fd_; }
    explicit operator bool() const { return data_ != nullptr; }

private:
    static error system_error() {
        const int number = errno;
        const bool full = number == ENOMEM || number == ENOSPC || number == EMFILE || number == ENFILE;
        return {full ? errc::exhausted : errc::io, origin::fabric, number};
    }
    // What may hold a huge page begins on the boundary of one.
    static result<shared_memory> mapped(shared_memory m, std::size_t size) {
        if (size < huge_page) {
            void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd_, 0);
            if (at == MAP_FAILED) return system_error();
            m.data_ = static_cast<std::byte*>(at);
            m.size_ = size;
            return m;
        }
        void* room = ::mmap(nullptr, size + huge_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (room == MAP_FAILED) return system_error();
        const auto before = (huge_page - reinterpret_cast<std::uintptr_t>(room) % huge_page) % huge_page;
        auto* const at = static_cast<std::byte*>(room) + before;
        void* there = ::mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m.fd_, 0);
        if (there == MAP_FAILED) {
            const error why = system_error();
            ::munmap(room, size + huge_page);
            return why;
        }
        if (before) ::munmap(room, before);
        const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)),
                          used = (size + page - 1) / page * page;
        if (used + before < size + huge_page) ::munmap(at + used, size + huge_page - before - used);
        m.data_ = at;
        m.size_ = size;
        return m;
    }
    static char* print(char* to, std::int32_t number, const char* then) {
        char digits[12];
        int n = 0;
        do digits[n++] = static_cast<char>('0' + number % 10);
        while (number /= 10);
        while (n) *to++ = digits[--n];
        while (*then) *to++ = *then++;
        return to;
    }

    static constexpr std::size_t huge_page = 2 << 20;
    static constexpr int collapse = 25; // MADV_COLLAPSE, Linux 6.1; older headers lack it, older kernels refuse it

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::int32_t fd_ = -1;
};

} // namespace ashlar::inline v0::fabric
