// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/token_tree.hpp>

#include <algorithm>
#include <limits>
#include <utility>

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
    first_.fill(none);
    for (std::uint32_t i = 0; i < size(); i = nodes_[i].end) first_[nodes_[i].byte] = i;
}

std::uint32_t token_tree::below(std::uint32_t i, std::uint8_t byte) const {
    if (i == root) return first_[byte];
    for (std::uint32_t each = i + 1; each < nodes_[i].end && nodes_[each].byte <= byte; each = nodes_[each].end) {
        if (nodes_[each].byte == byte) return each;
    }
    return none;
}

} // namespace ashlar::support
