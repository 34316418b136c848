// SPDX-License-Identifier: Apache-2.0
// The tokens of a vocabulary as a tree of their bytes, so that what begins alike is walked once.
//
//     support::token_tree words(tokens);                  // bytes of each token; empty: not in the tree
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/core/ids.hpp>

namespace ashlar::support {

// In preorder. Immutable.
class token_tree {
public:
    explicit token_tree(std::vector<std::string> tokens);

    struct node {
        std::uint32_t end;    // behind the last node below this one
        std::uint32_t tokens; // where those that end here begin in order()
        std::uint16_t depth;  // bytes up to here, from 1
        std::uint8_t byte;
    };
    static constexpr std::uint32_t none = 0xffffffff, root = 0xfffffffe;
    std::uint32_t vocabulary() const { return static_cast<std::uint32_t>(tokens_.size()); }
    std::string_view bytes(token_id token) const { return tokens_[static_cast<std::size_t>(token)]; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(nodes_.size()) - 1; }
    const node& at(std::uint32_t i) const { return nodes_[i]; }
    std::span<const token_id> ending_at(std::uint32_t i) const {
        return std::span(order_).subspan(nodes_[i].tokens, nodes_[i + 1].tokens - nodes_[i].tokens);
    }
    // Of nodes below `i`, the one that `byte` leads to; none: there is none. `root` is above all nodes.
    std::uint32_t below(std::uint32_t i, std::uint8_t byte) const;
    std::uint32_t depth_max() const { return depth_max_; }

private:
    std::vector<std::string> tokens_;
    std::vector<token_id> order_;
    std::vector<node> nodes_;
    std::array<std::uint32_t, 256> first_; // below the root
    std::uint32_t depth_max_ = 0;
};

} // namespace ashlar::support
