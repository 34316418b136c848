// SPDX-License-Identifier: Apache-2.0
// A sound grammar's automaton.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <support/grammar/automaton.hpp>
#include <support/grammar/gbnf.hpp>

inline std::shared_ptr<const ashlar::support::automaton> machine(std::string_view gbnf) {
    const auto read = ashlar::support::parse_gbnf(gbnf);
    REQUIRE_MESSAGE(read, (read ? "" : read.fault().sentence));
    auto made = ashlar::support::automaton::from(*read);
    REQUIRE_MESSAGE(made, (made ? "" : made.fault().sentence));
    return std::make_shared<const ashlar::support::automaton>(std::move(made).value());
}
