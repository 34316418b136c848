// SPDX-License-Identifier: Apache-2.0
// A random life of prompts over several prefix indexes at once, beside a plain map from whole prefixes to pages.
// Requests open (match, hold, insert, evict where no page is left) and close tails first; leases keep single pages
// beyond that. All indexes must answer the same, find exactly what the map holds, and never give up what is in use or
// continued.
#pragma once

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/prefix_index.hpp>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

template <class... Index>
class index_history {
public:
    using prefix = std::vector<ashlar::token_id>;

    index_history(std::uint32_t pages, std::uint32_t size, std::uint64_t seed)
        : size_(size), uses_(pages), parents_(pages, ashlar::kv::no_page), continued_(pages),
          indexes_(Index({.pages = pages, .tokens_per_block = size, .salt = {seed, 1}})...) {
        for (std::uint32_t page = pages; page-- > 0;) unused_.push_back(page);
    }

    // The pages of the prompt's full blocks, as far as there was room; each is in use once more.
    std::vector<std::uint32_t> open(const prefix& tokens) {
        std::vector<std::uint32_t> pages(tokens.size() / size_);
        const std::uint32_t hits = same([&](auto& index) { return index.match(tokens, pages); });
        std::uint32_t known = 0;
        while ((known + 1) * size_ < tokens.size()) {
            const auto at = map_.find(first(tokens, known + 1));
            if (at == map_.end()) break;
            REQUIRE((known < hits && pages[known] == at->second));
            ++known;
        }
        REQUIRE(hits == known);
        for (std::uint32_t i = 0; i < hits; ++i) use(pages[i]);
        std::uint32_t i = hits;
        for (; i < pages.size(); ++i) {
            if (unused_.empty() && evict() == ashlar::kv::no_page) break;
            const std::uint32_t page = unused_.back(), parent = i ? pages[i - 1] : ashlar::kv::no_page;
            const auto at = map_.find(first(tokens, i + 1));
            const std::uint32_t standing = same(
                [&](auto& index) { return index.insert(parent, std::span(tokens).subspan(i * size_, size_), page); });
            REQUIRE(standing == (at == map_.end() ? page : at->second));
            pages[i] = standing;
            if (at == map_.end()) {
                map_[first(tokens, i + 1)] = page;
                unused_.pop_back();
                uses_[page] = 1; // insert holds it
                parents_[page] = parent;
                if (parent != ashlar::kv::no_page) ++continued_[parent];
            } else {
                use(standing);
            }
        }
        pages.resize(i);
        check();
        return pages;
    }
    void use(std::uint32_t page) {
        if (uses_[page]++ == 0) std::apply([&](auto&... index) { (index.hold(page), ...); }, indexes_);
    }
    void leave(std::uint32_t page) {
        REQUIRE(uses_[page] > 0);
        if (--uses_[page] == 0) std::apply([&](auto&... index) { (index.release(page), ...); }, indexes_);
    }
    void close(const std::vector<std::uint32_t>& pages) {
        for (std::size_t i = pages.size(); i-- > 0;) leave(pages[i]);
        check();
    }
    std::uint32_t evict() {
        const std::uint32_t page = same([](auto& index) { return index.evict(); });
        bool possible = false;
        for (const auto& [tokens, p] : map_) possible = possible || (uses_[p] == 0 && continued_[p] == 0);
        REQUIRE((page != ashlar::kv::no_page) == possible);
        if (page == ashlar::kv::no_page) return page;
        REQUIRE((uses_[page] == 0 && continued_[page] == 0));
        if (parents_[page] != ashlar::kv::no_page) --continued_[parents_[page]];
        std::erase_if(map_, [page](const auto& entry) { return entry.second == page; });
        unused_.push_back(page);
        return page;
    }

private:
    prefix first(const prefix& tokens, std::uint32_t blocks) const {
        return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(blocks * size_)};
    }
    template <class Ask>
    std::uint32_t same(Ask&& ask) {
        return std::apply(
            [&](auto& head, auto&... tail) {
                const std::uint32_t answer = ask(head);
                const bool agree = ((ask(tail) == answer) && ...);
                REQUIRE(agree);
                return answer;
            },
            indexes_);
    }
    void check() {
        const auto one = [&](const auto& index) {
            bool right = index.size() == map_.size();
            for (const auto& [tokens, page] : map_) {
                right = right && index.contains(page) && index.held(page) == (uses_[page] > 0) &&
                        index.parent(page) == parents_[page];
            }
            REQUIRE(right);
        };
        std::apply([&](auto&... index) { (one(index), ...); }, indexes_);
    }

    std::uint32_t size_;
    std::map<prefix, std::uint32_t> map_;
    std::vector<std::uint32_t> unused_, uses_, parents_, continued_;
    std::tuple<Index...> indexes_;
};
