// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/token_masks.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <ashlar/core/assert.hpp>

namespace ashlar::support {

token_tree::token_tree(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
    constexpr std::size_t longest = std::numeric_limits<std::uint16_t>::max();
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
        if (!tokens_[i].empty() && tokens_[i].size() <= longest) order_.push_back(static_cast<token_id>(i));
    }
    std::sort(order_.begin(), order_.end(), [this](token_id a, token_id b) {
        const int sign = bytes(a).compare(bytes(b));
        return sign != 0 ? sign < 0 : a < b;
    });
    std::vector<std::uint32_t> path; // nodes from the root to the last token's end
    for (std::uint32_t i = 0; i < order_.size(); ++i) {
        const std::string_view text = bytes(order_[i]);
        const std::string_view before = i ? bytes(order_[i - 1]) : std::string_view();
        std::size_t shared = 0;
        while (shared < std::min(text.size(), before.size()) && text[shared] == before[shared]) ++shared;
        for (; path.size() > shared; path.pop_back())
            nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
        for (std::size_t d = shared; d < text.size(); ++d) {
            path.push_back(static_cast<std::uint32_t>(nodes_.size()));
            nodes_.push_back({0, i, static_cast<std::uint16_t>(d + 1), static_cast<std::uint8_t>(text[d])});
        }
        depth_max_ = std::max(depth_max_, static_cast<std::uint32_t>(text.size()));
    }
    for (; !path.empty(); path.pop_back()) nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({0, static_cast<std::uint32_t>(order_.size()), 0, 0});
}

token_masks::token_masks(std::shared_ptr<const automaton> machine, const token_tree& words, std::size_t bytes_max)
    : machine_(std::move(machine)), words_(&words),
      kept_max_(std::max<std::size_t>(8, bytes_max / (words.vocabulary() / 8 + 64))), levels_(words.depth_max() + 1),
      ways_(*machine_) {}

void token_masks::walk(std::span<std::uint64_t> bits, std::vector<token_id>* open) {
    levels_[0].stacks = ways_.size();
    levels_[0].left = false;
    for (std::uint32_t i = 0; i < words_->size(); ++visited_) {
        const auto& node = words_->at(i);
        const level& from = levels_[node.depth - 1u];
        level& to = levels_[node.depth];
        ways_.cut(from.stacks);
        ways_.step(from.at, node.byte, to.at);
        to.stacks = ways_.size();
        const bool passes = !to.at.dead();
        to.left = from.left || to.at.complete;
        if (!passes && !from.left) {
            i = node.end;
            continue;
        }
        for (const token_id token : words_->ending_at(i)) {
            const auto at = static_cast<std::size_t>(token);
            if (passes)
                bits[at / 64] |= std::uint64_t{1} << at % 64;
            else if (open)
                open->push_back(token);
        }
        i = to.left && open ? i + 1 : to.at.open.empty() ? node.end : i + 1;
    }
    ways_.cut(levels_[0].stacks);
}

const token_masks::local& token_masks::of(std::uint32_t state) {
    if (const auto it = kept_.find(state); it != kept_.end()) return it->second;
    if (kept_.size() >= kept_max_) kept_.erase(oldest_.front()), oldest_.pop_front();
    ++found_;
    local made{.bits = std::vector<std::uint64_t>((words_->vocabulary() + 63) / 64), .open = {}};
    ways_ = ways(*machine_);
    levels_[0].at.clear();
    levels_[0].at.open.push_back({state, ways::bottom}); // what is reached without a byte is a way of its own
    walk(made.bits, &made.open);
    made.deepest = ways_.deepest;
    oldest_.push_back(state);
    return kept_.emplace(state, std::move(made)).first->second;
}

std::size_t token_masks::prepare(std::uint64_t nodes) {
    std::vector<bool> seen(machine_->size(), false);
    std::vector<std::uint32_t> todo = {machine_->start()};
    const auto see = [&](std::uint32_t state) {
        if (!seen[state]) seen[state] = true, todo.push_back(state);
    };
    seen[machine_->start()] = true;
    const std::uint64_t until = visited_ + nodes;
    for (std::size_t at = 0; at < todo.size() && visited_ < until && kept_.size() < kept_max_ / 2; ++at) {
        const auto state = todo[at];
        if (!machine_->edges(state).empty()) (void)of(state);
        for (const auto& edge : machine_->edges(state)) see(edge.to);
        for (const auto& call : machine_->calls(state)) see(call.to), see(call.back);
    }
    return kept_.size();
}

void token_masks::allowed(const matcher& where, std::span<std::uint64_t> bits) {
    ASHLAR_ASSERT(bits.size() == (words_->vocabulary() + 63) / 64);
    std::fill(bits.begin(), bits.end(), std::uint64_t{0});
    const auto has = [&](token_id token) {
        const auto at = static_cast<std::size_t>(token);
        return bits[at / 64] >> at % 64 & 1;
    };
    std::vector<token_id> open;
    bool deep = false;
    for (const auto& way : where.at().open) {
        const local& mask = of(way.state);
        deep = deep || where.stacks().depth(way.stack) + mask.deepest > ways::depth_max;
        for (std::size_t i = 0; i < bits.size(); ++i) bits[i] |= mask.bits[i];
        open.insert(open.end(), mask.open.begin(), mask.open.end());
    }
    if (deep) { // what a state allows may nest too deep here: everything is tried as it stands
        std::fill(bits.begin(), bits.end(), std::uint64_t{0});
        ways_ = where.stacks();
        levels_[0].at = where.at();
        return walk(bits, nullptr);
    }
    std::erase_if(open, has);
    if (open.empty()) return;
    if (where.at().open.size() > 1) {
        std::sort(open.begin(), open.end(),
                  [&](token_id a, token_id b) { return words_->bytes(a) < words_->bytes(b); });
        open.erase(std::unique(open.begin(), open.end()), open.end());
    }
    ways_ = where.stacks();
    levels_[0].at = where.at();
    levels_[0].stacks = ways_.size();
    std::string_view before;
    std::size_t known = 0; // bytes of `before` whose levels are there
    for (const token_id token : open) {
        const std::string_view text = words_->bytes(token);
        std::size_t d = 0;
        while (d < std::min(text.size(), known) && text[d] == before[d]) ++d;
        for (; d < text.size() && !levels_[d].at.dead(); ++d) {
            ways_.cut(levels_[d].stacks);
            ways_.step(levels_[d].at, static_cast<std::uint8_t>(text[d]), levels_[d + 1].at);
            levels_[d + 1].stacks = ways_.size();
        }
        before = text, known = d;
        const auto at = static_cast<std::size_t>(token);
        if (d == text.size() && !levels_[d].at.dead()) bits[at / 64] |= std::uint64_t{1} << at % 64;
    }
}

} // namespace ashlar::support
