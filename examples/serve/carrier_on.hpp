// SPDX-License-Identifier: Apache-2.0
// carrier over any fabric: a template that carrier_window.cpp and carrier_ofi.cpp instantiate, each for its own.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ashlar/core/result.hpp>
#include <ashlar/fabric/concepts.hpp>

#include "carrier.hpp"

namespace serve {

inline std::string words(const ashlar::error& e) {
    std::string text = std::string(ashlar::to_string(e.from)) + ": " + std::string(ashlar::to_string(e.code));
    return e.os_code ? text + " (" + std::to_string(e.os_code) + ")" : text;
}

template <class Fabric>
class carrier_on : public carrier {
    using mover = ashlar::kv::mover<Fabric, kv_layout>;

public:
    carrier_on(Fabric net, std::string name) : name_(std::move(name)) { net_.emplace(std::move(net)); }

    std::string name() const override { return name_; }
    std::span<std::byte> pool() override { return pool_; }
    void attach(ashlar::kv::cache& pages, const kv_layout& layout, const ashlar::kv::identity& self,
                const ashlar::kv::mover_options& options) override {
        const auto registered = net_->register_memory({pool_.data(), pool_.size(), ashlar::fabric::memory_kind::host});
        if (!registered) throw std::runtime_error(name_ + " cannot register the KV pool: " + words(registered.error()));
        region_ = *registered;
        mover_.emplace(*net_, pages, layout, region_, self, options);
    }

    std::span<const std::byte> address() const override { return net_->address(); }
    ashlar::result<ashlar::fabric::peer_id> connect(std::span<const std::byte> address) override {
        const auto peer = net_->connect(address);
        if (peer) std::erase_if(leaving_, [&](const leaver& each) { return each.peer == *peer; }); // it is back
        return peer;
    }
    void disconnect(ashlar::fabric::peer_id peer, bool dead) override {
        if (dead || !busy())
            part(peer);
        else
            leaving_.push_back({peer, net_->state(peer).generation});
    }
    void ended(ashlar::fabric::peer_id peer) override {
        const auto it = std::find_if(leaving_.begin(), leaving_.end(), [&](const leaver& e) { return e.peer == peer; });
        if (it == leaving_.end()) return; // it has left, or is back
        const leaver each = *it;
        leaving_.erase(it);
        if (net_->state(each.peer).generation == each.generation) part(each.peer);
    }
    ashlar::fabric::peer_state state(ashlar::fabric::peer_id peer) const override { return net_->state(peer); }
    bool down_is_final() const override { return ashlar::fabric::final_in_death<Fabric>; }
    void wait(ashlar::duration most) override { (void)net_->wait(most); }

    ashlar::result<ashlar::kv::granted> grant(ashlar::request_id request, std::uint32_t prompt_tokens,
                                              std::uint32_t cached_tokens, ashlar::instant now,
                                              std::span<std::byte> buffer) override {
        return mover_->grant(request, prompt_tokens, cached_tokens, now, buffer);
    }
    ashlar::result<ashlar::transfer_id> send(ashlar::request_id request, ashlar::fabric::peer_id to,
                                             std::span<const std::byte> ticket, ashlar::instant now) override {
        return mover_->send(request, to, ticket, now);
    }
    ashlar::result<void> layer_ready(ashlar::transfer_id transfer, ashlar::layer_id layer, std::uint32_t first,
                                     std::uint32_t count) override {
        return mover_->layer_ready(transfer, layer, first, count);
    }
    ashlar::result<void> all_ready(ashlar::transfer_id transfer, ashlar::kv::block_range blocks) override {
        return mover_->all_ready(transfer, blocks);
    }
    ashlar::result<void> cancel(ashlar::transfer_id transfer) override { return mover_->cancel(transfer); }
    std::size_t poll(ashlar::instant now) override { return mover_->poll(now); }
    void tick(ashlar::instant now) override {
        mover_->tick(now);
        if (busy()) return;
        for (const leaver& each : std::exchange(leaving_, {})) {
            if (net_->state(each.peer).generation == each.generation) part(each.peer);
        }
    }
    bool next_event(ashlar::kv::transfer_event& out) override { return mover_->next_event(out); }
    bool idle() const override { return mover_->idle(); }
    const ashlar::kv::mover_counters& counters() const override { return mover_->counters(); }

protected:
    std::optional<Fabric> net_; // none only while it is opened anew
    std::string name_;
    std::span<std::byte> pool_;
    ashlar::fabric::region region_{};
    std::optional<mover> mover_;

    void close() {
        mover_.reset();
        leaving_.clear();
        net_.reset();
    }

private:
    bool busy() const { return mover_->sending() + mover_->receiving() > 0; } // transfers, whose pages peers may touch
    void part(ashlar::fabric::peer_id peer) { // nothing is in flight with it, or it is dead
        mover_->peer_down(peer);
        net_->disconnect(peer);
    }
    struct leaver { // the fabric may find out first, and give the number to somebody else
        ashlar::fabric::peer_id peer;
        std::uint32_t generation;
    };
    std::vector<leaver> leaving_;
};

} // namespace serve
