// SPDX-License-Identifier: Apache-2.0
#include <support/directory/static_file.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include <unistd.h>

#include "contract.hpp"

using namespace ashlar;
using support::static_file;

namespace {

struct file_world {
    static constexpr duration grace{200'000'000};
    static constexpr bool owners = false;
    std::string path =
        (std::filesystem::temp_directory_path() / ("ashlar-peers-" + std::to_string(::getpid()))).string();
    std::map<std::string, std::string> lines;

    file_world() { write(); }
    ~file_world() { std::filesystem::remove(path); }
    static_file open() { return static_file(path, {10'000'000}); }
    void enter(const std::string& name, const std::string& address) { lines[name] = address, write(); }
    void remove(const std::string& name) { lines.erase(name), write(); }
    void cut() { std::filesystem::rename(path, path + ".away"); }
    void heal() { std::filesystem::rename(path + ".away", path), write(); }
    void poll() {}
    void write() const { // whole at once, as an editor does
        std::ofstream out(path + ".new");
        if (!lines.contains("router")) out << "router 127.0.0.1:8999\n";
        for (const auto& [name, address] : lines) out << support::role_in(name) << " " << address << "\n";
        out.close();
        std::filesystem::rename(path + ".new", path);
    }
};

} // namespace

TEST_CASE("a static file keeps the contract of a directory") {
    file_world world;
    directory_contract::run(world);
}

TEST_CASE("a peers file that is not sound is refused with its line") {
    file_world world;
    const auto read = [&](const char* text) {
        std::ofstream(world.path) << text;
        return static_file::read(world.path);
    };
    const auto good = read("# a fleet\nrouter 10.0.0.1:9000 # here\n\nprefill 10.0.0.2\nprefill 10.0.0.3\ndecode h\n");
    REQUIRE(good);
    REQUIRE(good->size() == 4);
    CHECK((*good)[2].name == "prefill/2");
    CHECK((*good)[2].address == "10.0.0.3");
    CHECK(read("router 10.0.0.1:9000\ncook 10.0.0.2\n").fault().sentence.find(", line 2: write") != std::string::npos);
    CHECK(read("router 10.0.0.1:9000\nprefill\n").fault().what.code == errc::corrupt);
    CHECK(read("prefill 10.0.0.2\n").fault().sentence.find("exactly one 'router") != std::string::npos);
    CHECK(read("router a:1\nrouter b:1\n").fault().sentence.find("exactly one 'router") != std::string::npos);
    CHECK(static_file::read(world.path + "-none").fault().what.code == errc::io);
}
