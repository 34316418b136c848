// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/automaton.hpp>

#include <algorithm>
#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <support/grammar/recursion.hpp>
#include <support/unicode.hpp>

namespace ashlar::support {

namespace {

using kind = gbnf::kind;

struct hash_of_states {
    std::size_t operator()(const std::vector<std::uint32_t>& set) const {
        std::uint64_t h = set.size();
        for (const auto each : set) h = (h ^ each) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
        return static_cast<std::size_t>(h);
    }
};

} // namespace

class automaton_builder {
public:
    automaton_builder(const gbnf& grammar, const automaton_limits& limits)
        : grammar_(grammar), limits_(limits), rules_(grammar.rules.size()) {}

    outcome<automaton> build() {
        auto recursive = recursive_rules(grammar_);
        if (!recursive) return recursive.fault();
        recursive_ = std::move(recursive).value();
        // Everything that does not recurse inside its caller; where that gets too large, small rules only.
        for (const std::uint64_t inlined : {std::uint64_t{0xffffffff}, std::uint64_t{256}}) {
            inlined_max_ = inlined;
            if (construct()) return std::move(made_);
        }
        return *fault_;
    }

private:
    fault refuse(errc code, std::uint32_t rule, const std::string& why) const {
        return make_fault(code, "rule " + in_quotes(grammar_.rules[rule].name) + ": " + why);
    }
    const gbnf::node& body(std::uint32_t rule) const { return grammar_.nodes[grammar_.rules[rule].body]; }

    // Bytes a rule's body stands for when everything is written out, at most `most`. Rules are not recursive here.
    std::uint64_t size_of(const gbnf::node& node, std::uint64_t most, int depth) {
        std::uint64_t sum = 1;
        const auto add = [&](std::uint64_t more) { sum = std::min(most, sum + more); };
        switch (node.what) {
        case kind::literal:
            add(node.bytes.size());
            break;
        case kind::set:
            add(node.set.size() * 4);
            break;
        case kind::rule:
            if (recursive_[node.rule] || depth > depth_max) break;
            if (sizes_[node.rule] == 0) sizes_[node.rule] = size_of(body(node.rule), most, depth + 1);
            add(sizes_[node.rule]);
            break;
        case kind::sequence:
        case kind::choice:
            for (const auto each : node.parts) add(size_of(grammar_.nodes[each], most, depth + 1));
            break;
        case kind::repeat: {
            const std::uint64_t times = node.high == gbnf::without_end ? std::max(node.low, 1u) : node.high;
            add(std::min(most, times * size_of(grammar_.nodes[node.parts.front()], most, depth + 1)));
        }
        }
        return sum;
    }

    // ---- one rule as a non-deterministic automaton, built from its end

    struct piece {
        enum class what : std::uint8_t { end, bytes, split, call } is = what::end;
        std::uint8_t low = 0, high = 0;
        std::uint32_t next = 0, rule = 0;
        std::vector<std::uint32_t> ways{}; // split
    };

    std::uint32_t add(piece p) {
        spend(8);
        pieces_.push_back(std::move(p));
        return static_cast<std::uint32_t>(pieces_.size()) - 1;
    }
    // The same bytes to the same place are the same piece, so that common ends of alternatives are built once.
    std::uint32_t add_bytes(std::uint8_t low, std::uint8_t high, std::uint32_t next) {
        const std::uint64_t key = std::uint64_t{low} << 40 | std::uint64_t{high} << 32 | next;
        const auto [it, fresh] = by_bytes_.try_emplace(key, 0);
        if (fresh) it->second = add({.is = piece::what::bytes, .low = low, .high = high, .next = next});
        return it->second;
    }

    // Characters low..high as UTF-8: ranges of bytes behind each other.
    void add_characters(char32_t low, char32_t high, std::uint32_t next, std::vector<std::uint32_t>& ways) {
        constexpr std::array<char32_t, 4> last = {0x7f, 0x7ff, 0xffff, 0x10ffff};
        for (std::size_t size = 1; size <= 4; ++size) {
            const char32_t from = std::max<char32_t>(low, size == 1 ? 0 : last[size - 2] + 1);
            const char32_t to = std::min(high, last[size - 1]);
            if (from <= to) split_characters(from, to, size, next, ways);
        }
    }
    void split_characters(char32_t low, char32_t high, std::size_t size, std::uint32_t next,
                          std::vector<std::uint32_t>& ways) {
        for (std::size_t i = 1; i < size; ++i) { // the last i bytes must be free, or one value
            const char32_t mask = (char32_t{1} << (6 * i)) - 1;
            if ((low & ~mask) == (high & ~mask)) continue;
            if (low & mask) {
                split_characters(low, low | mask, size, next, ways);
                return split_characters((low | mask) + 1, high, size, next, ways);
            }
            if ((high & mask) != mask) {
                split_characters(low, (high & ~mask) - 1, size, next, ways);
                return split_characters(high & ~mask, high, size, next, ways);
            }
        }
        std::string first, final;
        append_utf8(first, low);
        append_utf8(final, high);
        for (std::size_t i = size; i-- > 0;)
            next = add_bytes(static_cast<std::uint8_t>(first[i]), static_cast<std::uint8_t>(final[i]), next);
        ways.push_back(next);
    }

    std::uint32_t split(std::vector<std::uint32_t> ways) {
        if (ways.size() == 1) return ways.front();
        spend(ways.size());
        return add({.is = piece::what::split, .ways = std::move(ways)});
    }

    // `node`, and then what begins at `next`.
    std::uint32_t before(const gbnf::node& node, std::uint32_t next, int depth) {
        if (spent()) return next;
        spend(1);
        switch (node.what) {
        case kind::literal:
            for (std::size_t i = node.bytes.size(); i-- > 0;) {
                const auto byte = static_cast<std::uint8_t>(node.bytes[i]);
                next = add_bytes(byte, byte, next);
            }
            return next;
        case kind::set: {
            std::vector<std::uint32_t> ways;
            for (const auto& each : node.set) add_characters(each.low, each.high, next, ways);
            return split(std::move(ways));
        }
        case kind::rule: {
            if (recursive_[node.rule] || depth > depth_max || sizes_[node.rule] > inlined_max_)
                return add({.is = piece::what::call, .next = next, .rule = node.rule});
            const std::uint64_t key = std::uint64_t{node.rule} << 32 | next;
            if (const auto it = by_rule_.find(key); it != by_rule_.end()) return it->second;
            const auto entry = before(body(node.rule), next, depth + 1);
            return by_rule_[key] = entry;
        }
        case kind::sequence:
            for (std::size_t i = node.parts.size(); i-- > 0;)
                next = before(grammar_.nodes[node.parts[i]], next, depth + 1);
            return next;
        case kind::choice: {
            std::vector<std::uint32_t> ways;
            for (const auto each : node.parts) ways.push_back(before(grammar_.nodes[each], next, depth + 1));
            return split(std::move(ways));
        }
        case kind::repeat: {
            const gbnf::node& one = grammar_.nodes[node.parts.front()];
            std::uint32_t entry = next;
            if (node.high == gbnf::without_end) {
                const auto loop = add({.is = piece::what::split});
                const auto again = before(one, loop, depth + 1);
                pieces_[loop].ways = {again, next};
                entry = loop;
            } else {
                for (std::uint32_t i = node.low; i < node.high && !spent(); ++i)
                    entry = split({before(one, entry, depth + 1), next});
            }
            for (std::uint32_t i = 0; i < node.low && !spent(); ++i) entry = before(one, entry, depth + 1);
            return entry;
        }
        }
        return next;
    }

    // ---- and as a deterministic one

    // Sorts `from` into a set of pieces that read, call or end, and returns its state.
    std::uint32_t state_of(std::vector<std::uint32_t>& from) {
        ++round_;
        marks_.resize(pieces_.size(), 0);
        std::vector<std::uint32_t> set;
        while (!from.empty()) {
            const auto p = from.back();
            from.pop_back();
            if (marks_[p] == round_) continue;
            marks_[p] = round_;
            spend(1);
            if (pieces_[p].is == piece::what::split)
                from.insert(from.end(), pieces_[p].ways.begin(), pieces_[p].ways.end());
            else
                set.push_back(p);
        }
        std::sort(set.begin(), set.end());
        spend(set.size());
        const auto [it, fresh] = states_.try_emplace(std::move(set), first_ + states_.size());
        if (fresh) todo_.push_back(&it->first);
        return static_cast<std::uint32_t>(it->second);
    }

    void expand(const std::vector<std::uint32_t>& set) {
        std::bitset<257> cuts;
        std::vector<std::pair<std::uint32_t, std::uint32_t>> called; // rule, where it goes on
        bool accepts = false;
        for (const auto p : set) {
            const piece& each = pieces_[p];
            if (each.is == piece::what::bytes) cuts.set(each.low), cuts.set(each.high + 1u);
            if (each.is == piece::what::call) called.emplace_back(each.rule, each.next);
            accepts = accepts || each.is == piece::what::end;
        }
        std::array<std::uint16_t, 257> interval{}; // by its first byte
        std::vector<std::uint16_t> begins;
        for (std::uint16_t b = 0; b <= 256; ++b) {
            if (cuts[b]) begins.push_back(b);
            interval[b] = static_cast<std::uint16_t>(begins.size());
        }
        std::vector<std::vector<std::uint32_t>> nexts(begins.size() + 1);
        for (const auto p : set) {
            const piece& each = pieces_[p];
            if (each.is != piece::what::bytes) continue;
            for (auto i = interval[each.low]; i < interval[each.high + 1u]; ++i)
                nexts[i].push_back(each.next), spend(1);
        }
        made_.states_.push_back({static_cast<std::uint32_t>(made_.edges_.size()),
                                 static_cast<std::uint32_t>(made_.calls_.size()), accepts});
        const std::size_t own = made_.edges_.size();
        for (std::size_t i = 1; i < nexts.size(); ++i) {
            if (nexts[i].empty() || spent()) continue;
            const auto low = static_cast<std::uint8_t>(begins[i - 1]), high = static_cast<std::uint8_t>(begins[i] - 1);
            const auto to = state_of(nexts[i]);
            if (made_.edges_.size() > own && made_.edges_.back().to == to && made_.edges_.back().high + 1 == low)
                made_.edges_.back().high = high;
            else
                made_.edges_.push_back({low, high, to});
        }
        std::sort(called.begin(), called.end());
        for (std::size_t i = 0; i < called.size() && !spent();) {
            const auto rule = called[i].first;
            std::vector<std::uint32_t> back;
            for (; i < called.size() && called[i].first == rule; ++i) back.push_back(called[i].second);
            made_.calls_.push_back({rule, state_of(back), false}); // the rule's start when all are known
            if (!queued_[rule]) queued_[rule] = true, queue_.push_back(rule);
        }
    }

    bool construct() {
        made_ = {};
        work_ = 0;
        fault_.reset();
        queued_.assign(rules_, false);
        std::vector<std::uint32_t> starts(rules_, automaton::nowhere);
        sizes_.assign(rules_, 0);
        for (std::uint32_t r = 0; r < rules_; ++r) {
            if (sizes_[r] == 0 && !recursive_[r]) sizes_[r] = size_of(body(r), size_max, 0);
        }
        queued_[grammar_.root] = true;
        queue_.assign(1, grammar_.root);
        for (std::size_t q = 0; q < queue_.size(); ++q) {
            current_ = queue_[q];
            pieces_.clear(), marks_.clear(), by_bytes_.clear(), by_rule_.clear(), states_.clear(), todo_.clear();
            round_ = 0;
            first_ = made_.states_.size();
            const auto end = add({});
            std::vector<std::uint32_t> entry = {before(body(current_), end, 0)};
            starts[current_] = state_of(entry);
            for (std::size_t at = 0; at < todo_.size() && !spent(); ++at) expand(*todo_[at]);
            if (fault_) return false;
        }
        made_.states_.push_back(
            {static_cast<std::uint32_t>(made_.edges_.size()), static_cast<std::uint32_t>(made_.calls_.size()), false});
        for (auto& each : made_.calls_) {
            each.to = starts[each.to];
            each.tail = made_.accepts(each.back) && made_.edges(each.back).empty() && made_.calls(each.back).empty();
        }
        made_.start_ = starts[grammar_.root];
        return true;
    }

    void spend(std::uint64_t steps) { work_ += steps; }
    bool spent() {
        if (fault_) return true;
        if (work_ > limits_.work || made_.states_.size() > limits_.states)
            fault_ = refuse(errc::exhausted, current_,
                            "it takes more than " + std::to_string(limits_.states) +
                                " states, or too long to find them; "
                                "nested repetitions and alternatives multiply");
        return fault_.has_value();
    }

    static constexpr int depth_max = 1000;
    static constexpr std::uint64_t size_max = 1 << 20;

    const gbnf& grammar_;
    const automaton_limits limits_;
    const std::size_t rules_;
    std::vector<bool> recursive_, queued_;
    std::vector<std::uint64_t> sizes_;
    std::uint64_t inlined_max_ = 0, work_ = 0;

    std::uint32_t current_ = 0;
    std::vector<std::uint32_t> queue_;
    std::vector<piece> pieces_;
    std::unordered_map<std::uint64_t, std::uint32_t> by_bytes_, by_rule_;
    std::vector<std::uint32_t> marks_;
    std::uint32_t round_ = 0;
    std::unordered_map<std::vector<std::uint32_t>, std::size_t, hash_of_states> states_;
    std::vector<const std::vector<std::uint32_t>*> todo_; // sets are keys of states_, which do not move
    std::size_t first_ = 0;

    automaton made_;
    std::optional<fault> fault_;
};

outcome<automaton> automaton::from(const gbnf& grammar, const automaton_limits& limits) {
    return automaton_builder(grammar, limits).build();
}

} // namespace ashlar::support
