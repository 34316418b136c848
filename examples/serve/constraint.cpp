// SPDX-License-Identifier: Apache-2.0
#include "constraint.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <ashlar/kernel/mask.hpp>
#include <support/model_file.hpp>

#include "compile_grammar.hpp"
#include "link.hpp"

namespace serve {

namespace sup = ashlar::support;

namespace {

constexpr std::size_t kept_bytes = 48 << 20, masks_bytes = 4 << 20;
constexpr std::uint64_t prepared_work = 1'200'000; // about 10 ms

std::vector<std::string> spellings(const std::string& model) {
    const auto file = sup::model_file::open(model);
    if (!file) throw std::runtime_error(model + ": " + file.fault().sentence);
    const auto words = file->words();
    if (!words) throw std::runtime_error(model + ": " + words.fault().sentence);
    std::vector<std::string> out(words->size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto id = static_cast<ashlar::token_id>(i);
        if (!words->is_special(id)) out[i] = std::string(words->bytes_of(id)); // a control token is no text
    }
    return out;
}

} // namespace

ashlar::result<void> constraint::follow(std::span<const ashlar::token_id> generated) {
    for (; read_ < generated.size(); ++read_) {
        const ashlar::token_id token = generated[read_];
        if (token < 0 || static_cast<std::uint32_t>(token) >= words_->vocabulary())
            return ashlar::error{ashlar::errc::out_of_range, ashlar::origin::app};
        const auto bytes = words_->bytes(token);
        if (bytes.empty() || !at_.accept(bytes)) return ashlar::error{ashlar::errc::unsupported, ashlar::origin::app};
    }
    return {};
}

ashlar::result<bool> constraint::allowed(std::span<const ashlar::token_id> ends, std::span<std::uint64_t> bits,
                                         std::uint32_t budget, const std::function<void()>& meanwhile) {
    if (!masks_->allowed(at_, bits, budget, meanwhile))
        return ashlar::error{ashlar::errc::unsupported, ashlar::origin::app};
    const bool more = std::any_of(bits.begin(), bits.end(), [](std::uint64_t word) { return word != 0; });
    if (!at_.complete()) return more;
    for (const auto token : ends) {
        if (token >= 0 && static_cast<std::uint32_t>(token) < words_->vocabulary()) ashlar::kernel::allow(bits, token);
    }
    return more;
}

constraints::constraints(const std::string& model, std::size_t waiting_max)
    : tree_(spellings(model)), kept_({.bytes_max = kept_bytes, .waiting_max = waiting_max}, random_key()) {}

constraints::asked constraints::compile(const std::string& text) {
    if (auto there = kept_.find(text)) return there;
    using loaded = decltype(kept_)::loaded;
    return kept_.load(text, [this, text]() -> loaded {
        auto made = compile_grammar(text);
        if (!made) return {made.fault(), made.fault().sentence.size() + 512};
        auto machine = std::make_shared<const sup::automaton>(std::move(made).value());
        auto masks = std::make_shared<sup::token_masks>(machine, tree_, masks_bytes);
        masks->prepare(prepared_work);
        const std::size_t bytes = machine->bytes() + masks_bytes;
        return {compiled_grammar{std::move(machine), std::move(masks)}, bytes};
    });
}

sup::outcome<constraint> constraints::begin(const compiled& made) const {
    if (!made) return made.fault();
    return constraint(made->masks, sup::matcher(made->machine), tree_);
}

} // namespace serve
