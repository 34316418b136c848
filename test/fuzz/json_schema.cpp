// SPDX-License-Identifier: Apache-2.0
// Schemas that anybody may send: an error with a sentence, or a grammar that reads as GBNF and whose texts are JSON.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <support/grammar/automaton.hpp>
#include <support/grammar/gbnf.hpp>
#include <support/grammar/json_schema.hpp>
#include <support/grammar/matcher.hpp>

#include "require.hpp"

using namespace ashlar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto gbnf = support::schema_to_gbnf({reinterpret_cast<const char*>(data), size});
    if (!gbnf) return require(!gbnf.fault().sentence.empty()), 0;
    const auto read = support::parse_gbnf(*gbnf);
    require(static_cast<bool>(read) || read.fault().what.code == errc::exhausted);
    if (!read) return 0;
    auto made = support::automaton::from(*read, {.states = 4096, .work = 300'000});
    if (!made) return require(!made.fault().sentence.empty()), 0;
    const auto machine = std::make_shared<const support::automaton>(std::move(made).value());
    support::matcher at(machine);
    std::string text;
    for (std::size_t step = 0; step < 200 && !at.finished(); ++step) {
        if (at.complete()) require(nlohmann::json::accept(text));
        const auto& way = at.at().open[(step * 7 + size) % at.at().open.size()];
        const auto edges = machine->edges(way.state);
        const auto& edge = edges[data[step % size] % edges.size()];
        text += static_cast<char>(edge.low + (data[(step * 3) % size] % (edge.high - edge.low + 1u)));
        if (!at.accept(text.substr(text.size() - 1))) return 0; // nested too deep
    }
    if (at.complete()) require(nlohmann::json::accept(text));
    return 0;
}
