// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/shared_memory.hpp>

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
