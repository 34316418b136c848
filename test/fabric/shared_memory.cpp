// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/shared_memory.hpp>

#include <cstdio>

#include <doctest/doctest.h>

using namespace ashlar;
using ashlar::fabric::shared_memory;

TEST_CASE("two mappings of one memory see each other, and it cannot shrink under a peer") {
    auto mine = shared_memory::create(10000);
    REQUIRE(mine);
    auto theirs = shared_memory::open(getpid(), mine->descriptor(), 10000);
    REQUIRE(theirs);
    CHECK(theirs->descriptor() == -1);
    mine->data()[9999] = std::byte{42};
    CHECK(theirs->data()[9999] == std::byte{42});
    CHECK(ftruncate(mine->descriptor(), 100) != 0);
    struct stat facts{};
    REQUIRE(fstat(mine->descriptor(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);
    *mine = shared_memory{}; // the pages live as long as a mapping does
    CHECK(theirs->data()[9999] == std::byte{42});
}

TEST_CASE("what may hold a huge page begins on the boundary of one and ends where it was asked to") {
    constexpr std::size_t huge = 2 << 20, page = 4096;
    for (const std::size_t size : {huge - page, huge, 3 * huge + 5 * page + 1}) {
        auto mine = shared_memory::create(size);
        REQUIRE(mine);
        auto theirs = shared_memory::open(getpid(), mine->descriptor(), size);
        REQUIRE(theirs);
        for (const shared_memory* m : {&*mine, &*theirs}) {
            CHECK(m->size() == size);
            CHECK((size < huge || reinterpret_cast<std::uintptr_t>(m->data()) % huge == 0));
            for (std::size_t i = 0; i < size; i += page) REQUIRE(m->data()[i] == std::byte{0});
        }
        mine->data()[0] = mine->data()[size - 1] = std::byte{42};
        CHECK(theirs->data()[0] == std::byte{42});
        CHECK(theirs->data()[size - 1] == std::byte{42});
    }
}

TEST_CASE("nothing is left of the room that a boundary takes") {
    const auto mapped = [] { // bytes of this process's address space
        std::size_t pages = 0;
        std::FILE* file = std::fopen("/proc/self/statm", "r");
        REQUIRE(file);
        REQUIRE(std::fscanf(file, "%zu", &pages) == 1);
        std::fclose(file);
        return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    };
    const std::size_t before = mapped();
    for (int i = 0; i < 64; ++i) REQUIRE(shared_memory::create((2 << 20) + 1));
    CHECK(mapped() < before + (32 << 20)); // the allocator may have taken some
}

TEST_CASE("what is no sealed memory of that size is refused") {
    auto mine = shared_memory::create(4096);
    REQUIRE(mine);
    CHECK(shared_memory::open(getpid(), mine->descriptor(), 4097).error().code == errc::corrupt);
    CHECK(shared_memory::open(getpid(), 987, 4096).error().code == errc::peer_down);
    CHECK(shared_memory::open(getpid(), -1, 4096).error().code == errc::invalid_argument);
    CHECK(shared_memory::open(0, 1, 4096).error().code == errc::invalid_argument);
    const int loose = memfd_create("loose", MFD_CLOEXEC);
    REQUIRE(ftruncate(loose, 4096) == 0);
    CHECK(shared_memory::open(getpid(), loose, 4096).error().code == errc::corrupt); // its owner could take it back
    close(loose);
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    CHECK(!shared_memory::open(getpid(), ends[0], 1));
    close(ends[0]), close(ends[1]);
    CHECK(shared_memory::create(std::size_t{1} << 50).error().code == errc::exhausted);
}
