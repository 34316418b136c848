// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/matcher.hpp>

#include <algorithm>
#include <utility>

namespace ashlar::support {

bool ways::same(std::uint32_t a, std::uint32_t b) const {
    if (stacks_[a].hash != stacks_[b].hash || stacks_[a].depth != stacks_[b].depth) return false;
    while (a != b) {
        if (stacks_[a].back != stacks_[b].back) return false;
        a = stacks_[a].below, b = stacks_[b].below;
    }
    return true;
}

void ways::add(way one, set& into) {
    todo_.push_back(one);
    while (!todo_.empty()) {
        const way w = todo_.back();
        todo_.pop_back();
        work += 2 + into.open.size() / 4;
        const bool known = std::any_of(into.open.begin(), into.open.end(), [&](const way& other) {
            return other.state == w.state && same(other.stack, w.stack);
        });
        if (known) continue;
        if (into.open.size() == ways_max) {
            too_many = true;
            todo_.clear();
            return;
        }
        into.open.push_back(w);
        if (machine_->accepts(w.state)) {
            if (w.stack == bottom)
                into.complete = true;
            else
                todo_.push_back({stacks_[w.stack].back, stacks_[w.stack].below});
        }
        for (const auto& call : machine_->calls(w.state)) {
            if (call.tail) {
                todo_.push_back({call.to, w.stack});
                continue;
            }
            const entry below = stacks_[w.stack];
            if (below.depth == depth_max) continue;
            const std::uint64_t mixed = (below.hash ^ (call.back + 1)) * 0x9e3779b97f4a7c15u;
            stacks_.push_back({w.stack, call.back, below.depth + 1, mixed ^ mixed >> 31});
            deepest = std::max(deepest, below.depth + 1);
            todo_.push_back({call.to, static_cast<std::uint32_t>(stacks_.size() - 1)});
        }
    }
}

void ways::enter(std::uint32_t state, std::uint32_t stack, set& into) {
    add({state, stack}, into);
    std::erase_if(into.open,
                  [this](const way& w) { return machine_->edges(w.state).empty(); }); // through, or calls only
}

void ways::step(const set& from, std::uint8_t byte, set& into) {
    into.clear();
    work += 1 + from.open.size();
    for (const way& w : from.open) {
        const auto to = machine_->next(w.state, byte);
        if (to == automaton::nowhere) continue;
        if (into.open.empty() && !machine_->accepts(to) && machine_->calls(to).empty())
            into.open.push_back({to, w.stack}); // by far the most common move
        else
            add({to, w.stack}, into);
    }
    std::erase_if(into.open, [this](const way& w) { return machine_->edges(w.state).empty(); });
}

void ways::compact(set& live) {
    std::vector<bool> used(stacks_.size(), false);
    used[bottom] = true;
    for (const way& w : live.open)
        for (auto s = w.stack; !used[s]; s = stacks_[s].below) used[s] = true;
    std::vector<std::uint32_t> moved(stacks_.size());
    std::uint32_t count = 0;
    for (std::uint32_t s = 0; s < stacks_.size(); ++s) {
        if (!used[s]) continue;
        entry kept = stacks_[s];
        kept.below = moved[kept.below]; // an earlier one
        stacks_[count] = kept;
        moved[s] = count++;
    }
    stacks_.resize(count);
    for (way& w : live.open) w.stack = moved[w.stack];
}

matcher::matcher(std::shared_ptr<const automaton> machine) : machine_(std::move(machine)), ways_(*machine_) {
    ways_.enter(machine_->start(), ways::bottom, at_);
}

result<void> matcher::accept(std::string_view bytes) {
    for (const char c : bytes) {
        ways_.step(at_, static_cast<std::uint8_t>(c), next_);
        std::swap(at_, next_);
        if (ways_.too_many) return error{errc::exhausted, origin::app};
        if (at_.dead()) return error{errc::invalid_argument, origin::app};
        if (ways_.size() <= compacted_) continue;
        ways_.compact(at_);
        compacted_ = std::max<std::size_t>(64, 2 * ways_.size());
    }
    return {};
}

} // namespace ashlar::support
