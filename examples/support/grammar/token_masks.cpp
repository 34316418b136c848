// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/token_masks.hpp>

#include <algorithm>
#include <utility>

#include <ashlar/core/assert.hpp>

namespace ashlar::support {

namespace {

constexpr std::uint32_t walk_width = 128;     // work at a node of the tree of tokens, on average
constexpr std::uint64_t small_work = 1 << 16; // whatever the vocabulary
constexpr std::uint64_t breath = 200'000;     // between two calls of `meanwhile`

} // namespace

token_masks::token_masks(std::shared_ptr<const automaton> machine, const token_tree& words, std::size_t bytes_max)
    : machine_(std::move(machine)), words_(&words), ends_(*machine_, words),
      known_(ends_.tokens(machine_->start()) == endings::never ? endings::never : endings::never - 1),
      kept_max_(std::max<std::size_t>(8, bytes_max / (words.vocabulary() / 8 + 64))), levels_(words.depth_max() + 1),
      ways_(*machine_), work_max_(std::uint64_t{walk_width} * words.size() + small_work) {}

void token_masks::move(const ways::set& from, std::uint8_t byte, ways::set& to) {
    const std::uint64_t before = ways_.work;
    ways_.step(from, byte, to);
    work_ += ways_.work - before;
    since_ += ways_.work - before;
    if (since_ < breath) return;
    since_ = 0;
    if (meanwhile_ && *meanwhile_) (*meanwhile_)();
}

void token_masks::cut(std::size_t stacks) {
    ways_.cut(stacks);
    if (below_.size() > stacks) below_.resize(stacks);
}

const token_masks::rest& token_masks::below(const ways& of, std::uint32_t stack) {
    if (below_.empty()) below_.push_back({0, 0});                               // the bottom
    for (auto s = static_cast<std::uint32_t>(below_.size()); s <= stack; ++s) { // on earlier ones each
        const rest& under = below_[of.below(s)];
        below_.push_back({endings::sum(under.tokens, ends_.tokens(of.back(s))),
                          std::max(under.deepest, of.depth(of.below(s)) + ends_.depth(of.back(s)))});
    }
    return below_[stack];
}

std::uint32_t token_masks::ending(const ways& of, const ways::set& at) {
    if (at.complete) return 0;
    std::uint32_t least = endings::never;
    for (const auto& way : at.open) {
        const rest& under = below(of, way.stack);
        const auto deepest = std::max(under.deepest, of.depth(way.stack) + ends_.depth(way.state));
        deepest_ = std::max(deepest_, deepest);
        if (deepest <= ways::depth_max) least = std::min(least, endings::sum(under.tokens, ends_.tokens(way.state)));
    }
    return least;
}

std::uint32_t token_masks::ending(const matcher& where) {
    below_.clear();
    return ending(where.stacks(), where.at());
}

bool token_masks::walk(std::span<std::uint64_t> bits, std::vector<token_id>* open, std::uint32_t most) {
    levels_[0].stacks = ways_.size();
    levels_[0].left = false;
    work_ = 0;
    for (std::uint32_t i = 0; i < words_->size();) {
        const auto& node = words_->at(i);
        const level& from = levels_[node.depth - 1u];
        level& to = levels_[node.depth];
        cut(from.stacks);
        move(from.at, node.byte, to.at);
        if (work_ > work_max_) return false;
        to.stacks = ways_.size();
        const bool lives = !to.at.dead();
        to.left = from.left || to.at.complete;
        if (!lives && !from.left) {
            i = node.end;
            continue;
        }
        if (const auto tokens = words_->ending_at(i); !tokens.empty()) {
            const auto least = lives ? ending(ways_, to.at) : endings::never;
            const bool passes = lives && least <= most;
            if (passes) longest_ = std::max(longest_, least);
            for (const token_id token : tokens) {
                const auto at = static_cast<std::size_t>(token);
                if (passes)
                    bits[at / 64] |= std::uint64_t{1} << at % 64;
                else if (open && from.left)
                    open->push_back(token);
            }
        }
        i = to.left && open ? i + 1 : to.at.open.empty() ? node.end : i + 1;
    }
    cut(levels_[0].stacks);
    return true;
}

const token_masks::local& token_masks::of(std::uint32_t state) {
    if (const auto it = kept_.find(state); it != kept_.end()) return it->second;
    if (kept_.size() >= kept_max_) kept_.erase(oldest_.front()), oldest_.pop_front();
    ++found_;
    local made{.bits = std::vector<std::uint64_t>((words_->vocabulary() + 63) / 64), .open = {}};
    ways_ = ways(*machine_);
    below_.clear();
    deepest_ = longest_ = 0;
    levels_[0].at.clear();
    levels_[0].at.open.push_back({state, ways::bottom}); // what is reached without a byte is a way of its own
    made.too_wide = !walk(made.bits, &made.open, known_);
    made.deepest = std::max(ways_.deepest, deepest_);
    made.longest = longest_;
    oldest_.push_back(state);
    return kept_.emplace(state, std::move(made)).first->second;
}

std::size_t token_masks::prepare(std::uint64_t work) {
    std::vector<bool> seen(machine_->size(), false);
    std::vector<std::uint32_t> todo = {machine_->start()};
    const auto see = [&](std::uint32_t state) {
        if (!seen[state]) seen[state] = true, todo.push_back(state);
    };
    seen[machine_->start()] = true;
    for (std::size_t at = 0, done = 0; at < todo.size() && done < work && kept_.size() < kept_max_ / 2; ++at) {
        const auto state = todo[at];
        if (!machine_->edges(state).empty()) (void)of(state), done += work_;
        for (const auto& edge : machine_->edges(state)) see(edge.to);
        for (const auto& call : machine_->calls(state)) see(call.to), see(call.back);
    }
    return kept_.size();
}

bool token_masks::allowed(const matcher& where, std::span<std::uint64_t> bits, std::uint32_t budget,
                          const std::function<void()>& meanwhile) {
    meanwhile_ = &meanwhile;
    const bool found = find(where, bits, budget);
    meanwhile_ = nullptr;
    return found;
}

bool token_masks::find(const matcher& where, std::span<std::uint64_t> bits, std::uint32_t budget) {
    ASHLAR_ASSERT(bits.size() == (words_->vocabulary() + 63) / 64);
    std::fill(bits.begin(), bits.end(), std::uint64_t{0});
    const auto has = [&](token_id token) {
        const auto at = static_cast<std::size_t>(token);
        return bits[at / 64] >> at % 64 & 1;
    };
    std::uint32_t most = known_; // of an ending behind a token
    if (const auto least = ending(where); least >= budget || least > known_) {
        budget = without_end;
        if (least > known_) most = endings::never;
    }
    const bool bound = budget != without_end;
    if (bound) {
        if (budget < 2) return true; // it ends here
        most = std::min(most, budget - 2);
    }
    std::vector<token_id> open;
    std::vector<std::uint32_t> longest; // behind each way's tokens
    bool near = false;
    for (const auto& way : where.at().open) {
        const local& mask = of(way.state);
        if (mask.too_wide) return false;
        // What a state allows may nest too deep here.
        near = near || where.stacks().depth(way.stack) + mask.deepest > ways::depth_max;
        longest.push_back(mask.longest);
        for (std::size_t i = 0; i < bits.size(); ++i) bits[i] |= mask.bits[i];
        open.insert(open.end(), mask.open.begin(), mask.open.end());
        if (open.size() > words_->size() + small_work) return false;
    }
    below_.clear();
    for (std::size_t i = 0; i < longest.size() && !near; ++i) {
        const rest& under = below(where.stacks(), where.at().open[i].stack);
        near = under.deepest > ways::depth_max || endings::sum(under.tokens, longest[i]) > most;
    }
    if (near) { // everything is tried as it stands
        std::fill(bits.begin(), bits.end(), std::uint64_t{0});
        ways_ = where.stacks();
        levels_[0].at = where.at();
        return walk(bits, nullptr, most);
    }
    std::erase_if(open, has);
    if (open.empty()) return true;
    if (where.at().open.size() > 1) {
        std::sort(open.begin(), open.end(),
                  [&](token_id a, token_id b) { return words_->bytes(a) < words_->bytes(b); });
        open.erase(std::unique(open.begin(), open.end()), open.end());
    }
    ways_ = where.stacks();
    levels_[0].at = where.at();
    levels_[0].stacks = ways_.size();
    work_ = 0;
    std::string_view before;
    std::size_t known = 0; // bytes of `before` whose levels are there
    for (const token_id token : open) {
        const std::string_view text = words_->bytes(token);
        std::size_t d = 0;
        while (d < std::min(text.size(), known) && text[d] == before[d]) ++d;
        for (; d < text.size() && !levels_[d].at.dead(); ++d) {
            cut(levels_[d].stacks);
            move(levels_[d].at, static_cast<std::uint8_t>(text[d]), levels_[d + 1].at);
            levels_[d + 1].stacks = ways_.size();
        }
        if (work_ > work_max_) return false;
        before = text, known = d;
        const auto at = static_cast<std::size_t>(token);
        if (d == text.size() && !levels_[d].at.dead() && ending(ways_, levels_[d].at) <= most)
            bits[at / 64] |= std::uint64_t{1} << at % 64;
    }
    return true;
}

} // namespace ashlar::support
