// SPDX-License-Identifier: Apache-2.0
// An engine process: a model, a KV pool and a fabric, at the router's command. It opens, computes, hands over and
// closes what it is told to and says what came of it; which pages a request gets is kv::cache's decision, which
// transfer may touch them kv::mover's, when they may be given back sched::tenancy's. One thread does all of it (the
// kernels have their own): between two layers it moves KV, listens to the router and says that it is alive.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include <ashlar/kv/cache.hpp>
#include <ashlar/kv/ticket.hpp>
#include <ashlar/kv/transfer.hpp>
#include <ashlar/sched/reopening.hpp>
#include <ashlar/sched/tenancy.hpp>

#include "carrier.hpp"
#include "clock.hpp"
#include "compute.hpp"
#include "constraint.hpp"
#include "fleet_key.hpp"
#include "link.hpp"
#include "neighbours.hpp"
#include "peers.hpp"
#include "process.hpp"
#include "settings.hpp"
#include "wire.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace kv = ashlar::kv;
using namespace al::literals;

namespace {

volatile std::sig_atomic_t told_to_stop = 0;
volatile std::sig_atomic_t nothing_to_lose = 0; // looking for the router, in calls that a signal may not end

// One attempt of one request on this engine.
struct sequence {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::request_id key; // in the cache and in transfers: another one for every attempt
    sched::tenancy stay;
    std::vector<al::token_id> tokens; // whose KV is here, or is to be computed here
    wire::sampling how;
    std::optional<constraint> rule{};
    std::optional<al::transfer_id> transfer; // in flight
    bool pushes = false;                     // its pages go out layer by layer
};

class engine {
public:
    explicit engine(const settings& how)
        : how_(how), as_(wire::role_of(how.child.empty() ? how.role : how.child)),
          key_(how.key_fd >= 0 ? key_from_fd(how.key_fd) : key_from_file(how.fleet_key_file)),
          model_(how.model, how.threads, how.batch_tokens, how.sequences, how.context),
          grammars_(how.model, how.sequences),
          peers_(how, std::string(wire::role_name(as_))), layout_{.shape = shape()} {
        if (as_ != sched::role::unified) {
            carrier_ = how.fabric == "window" ? open_window(layout_.bytes())
                                              : open_ofi(how.fabric.size() > 4 ? how.fabric.substr(4) : std::string(),
                                                         peers_.own_host(), layout_.bytes());
            pool_ = carrier_->pool();
        } else {
            void* memory = ::mmap(nullptr, layout_.bytes(), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (memory == MAP_FAILED)
                throw std::runtime_error("no memory for a KV pool of " + std::to_string(how.pool_mib) +
                                         " MiB; start with a smaller --pool-mib");
            pool_ = {static_cast<std::byte*>(memory), layout_.bytes()};
        }
        const std::uint32_t context = std::min(how.context, model_.facts().context);
        pages_.emplace(
            kv::cache_options{.pages = layout_.shape.blocks,
                              .tokens_per_block = kv_layout::tokens_per_block,
                              .sequences_max = how.sequences,
                              .blocks_per_sequence_max = kv::blocks_for(context, kv_layout::tokens_per_block),
                              .leases_max = 1024,
                              .salt = random_key(),
                              .prefix_caching = how.prefix_caching});
        attach();
        if (!how.peers.empty()) peers_.join(peers_.own_host(), member_);
        if (carrier_) others_.emplace(*carrier_);
    }

    int run() {
        std::string why, complaint;
        for (int pause = 1; !stop_; wait_a_moment(pause)) {
            peers_.poll(monotonic());
            router_ = peers_.entered() ? peers_.router() : peers::place{};
            nothing_to_lose = 1;
            stop_ = stop_ || told_to_stop;
            const int fd = stop_ || router_.address.empty() ? -1 : connect_to(router_.address, why);
            nothing_to_lose = 0;
            if (fd >= 0) line_ = link(fd), serve();
            if (stop_) break;
            pause = live_ ? 1 : std::min(2 * pause, 20); // who is not let in asks less and less often, and says it once
            std::string now = live_ ? "the router is gone; dropping its requests and looking for it again"
                              : router_.address.empty() ? "waiting for the directory: a place in it, and a router"
                              : fd < 0 ? "cannot reach the router at " + router_.address + ": " + why + "; trying again"
                                       : "the router does not let this engine in (its log says why); trying again";
            if (live_ || now != complaint) spdlog::warn(now);
            complaint = std::move(now);
            forget_everything();
        }
        forget_everything();
        peers_.leave();
        return 0;
    }

private:
    static constexpr al::duration lease = 5_s, renew_every = 200_ms;

    // Under a new epoch: tickets of an earlier one are worth nothing.
    void attach() {
        do epoch_ = {random_word()};
        while (epoch_.value == 0);
        if (!carrier_) return;
        carrier_->attach(*pages_, layout_,
                         {.instance = {static_cast<std::uint32_t>(epoch_.value)}, .epoch = epoch_, .fleet_key = key_},
                         {.transfers_max = 256,
                          .writes_max = 256,
                          .peers_max = 64,
                          .lease = lease,
                          .renew_every = renew_every,
                          .resend_after = 20_ms,
                          .verify = true,
                          .pull = false});
    }

    kv::geometry shape() const {
        const auto& f = model_.facts();
        kv_layout one{.shape = {.layers = f.layers, .kv_heads = f.kv_heads, .head_dim = f.head_dim, .blocks = 1}};
        const std::size_t blocks = (std::size_t{how_.pool_mib} << 20) / one.bytes();
        if (blocks == 0)
            throw std::runtime_error("--pool-mib " + std::to_string(how_.pool_mib) +
                                     " holds not even one block of this model");
        one.shape.blocks = static_cast<std::uint32_t>(std::min<std::size_t>(blocks, 1u << 24));
        return one.shape;
    }
    void wait_a_moment(int tenths) {
        for (int i = 0; i < 10 * tenths && !stop_; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            peers_.poll(monotonic());
            stop_ = told_to_stop;
        }
    }

    // ---- the loop

    void serve() {
        last_beat_ = last_tick_ = monotonic();
        while (line_.open() && !stop_) {
            if (!progress(true)) break;
            if (batch_) {
                compute(*std::exchange(batch_, std::nullopt));
                continue;
            }
            rest();
        }
        line_.close();
        for (const auto& last : inbox_) { // a goodbye may have come together with the end of the connection
            stop_ = stop_ || (live_ && std::holds_alternative<wire::shutdown>(last));
            if (const auto* no = std::get_if<wire::refused>(&last)) (void)hear(*no);
        }
    }

    // Nothing to compute: sleep until a frame, KV, a grammar or the next heartbeat is due.
    void rest() {
        if (!inbox_.empty()) return;
        if (carrier_ && !carrier_->idle()) return carrier_->wait(1_ms);
        const al::duration left = last_beat_ + heartbeat_ / 2 - monotonic();
        pollfd watch{line_.fd(), static_cast<short>(POLLIN | (line_.wants_write() ? POLLOUT : 0)), 0};
        const std::int64_t most = !unready_.empty() ? 0 : peers_.busy() ? 5 : 1000;
        const auto ms = std::clamp<std::int64_t>(left.ns / 1'000'000, 0, most);
        ::poll(&watch, 1, static_cast<int>(ms) + 1);
        stop_ = stop_ || told_to_stop;
    }

    // Whatever can be done without waiting. `all`: between batches; else between layers, where only what cannot touch
    // the running batch is carried out.
    bool progress(bool all) {
        const al::instant now = monotonic();
        peers_.poll(now);
        if (const auto next = peers_.router(); !(next == router_) && !next.address.empty())
            return spdlog::warn("the fleet has another router, at {}; leaving this one", next.address), false;
        line_.flush();
        if (!line_.receive([this](std::span<const std::byte> body) {
                wire::to_engine frame;
                if (!wire::decode(body, frame)) {
                    spdlog::error("the router sent a frame that makes no sense; hanging up");
                    return false;
                }
                inbox_.push_back(std::move(frame));
                return true;
            }))
            return false;
        while (!inbox_.empty() && !batch_ && (all || std::holds_alternative<wire::reserve>(inbox_.front()))) {
            wire::to_engine frame = std::move(inbox_.front());
            inbox_.pop_front();
            if (!std::visit([this](auto& one) { return hear(one); }, frame)) return false;
        }
        admit_ready();
        if (carrier_) {
            carrier_->poll(now);
            if (now - last_tick_ >= (carrier_->idle() ? renew_every : 10_ms)) carrier_->tick(now), last_tick_ = now;
            hear_transfers(all);
            if (all) reopen_if_due(now);
        }
        if (live_ && (now - last_beat_ >= heartbeat_ / 2 || report_)) beat(now); // what moved is worth telling at once
        line_.flush();
        stop_ = stop_ || told_to_stop;
        return true;
    }

    void beat(al::instant now) {
        last_beat_ = now;
        report_ = false;
        const auto& counts = pages_->counts();
        totals_.blocks_free = counts.free + counts.cached;
        totals_.blocks_quarantined = counts.quarantined;
        totals_.blocks_leased = counts.leased;
        if (carrier_) {
            const auto& c = carrier_->counters();
            const wire::counters& was = before_;
            totals_.transfers_done = was.transfers_done + c.sent + c.received;
            totals_.transfers_failed = was.transfers_failed + c.failed;
            totals_.bytes_sent = was.bytes_sent + c.bytes_sent, totals_.blocks_sent = was.blocks_sent + c.blocks_sent;
            totals_.bytes_received = was.bytes_received + c.bytes_received;
            totals_.blocks_received = was.blocks_received + c.blocks_received;
            totals_.checksum_failures = was.checksum_failures + c.checksum_failures;
            totals_.tickets_refused = was.tickets_refused + c.tickets_refused;
            totals_.epoch_mismatches = was.epoch_mismatches + c.epoch_mismatches;
        }
        say(wire::heartbeat{static_cast<std::uint32_t>(totals_.blocks_free), totals_});
    }

    // Between tokens whose masks take long to find: who is silent is given up.
    void stay_alive() {
        const al::instant now = monotonic();
        if (live_ && now - last_beat_ >= heartbeat_ / 2) beat(now), line_.flush();
    }

    void say(const wire::to_router& frame) { line_.queue(frame); } // goes out with what else progress() has to say

    void forget_everything() {
        live_ = proven_ = false; // the next router proves itself again
        inbox_.clear();
        batch_.reset();
        unready_.clear();
        for (auto& [key, s] : sequences_) {
            if (s.stay.abandon()) (void)carrier_->cancel(*s.transfer);
        }
        if (carrier_) others_->router_is_gone(), settle();
        for (auto it = sequences_.begin(); it != sequences_.end();) it = close_if_over(it);
    }

    // Tells the peers, and lets writes that are under way end before their pages are anybody's again.
    void settle() {
        const al::instant until = monotonic() + 100_ms;
        do {
            carrier_->poll(monotonic());
            hear_transfers(true);
            if (!carrier_->idle()) carrier_->wait(1_ms);
        } while (!carrier_->idle() && monotonic() < until);
    }

    // What is decoded goes on: its pages stay, only transfers begin again.
    void reopen_if_due(al::instant now) {
        if (!live_) return;
        if (carrier_->down_is_final()) return others_->find_lost(); // nothing is in the way of a new connection
        if (!when_.due(now, others_->lost_one(), pages_->overdue({now.ns - 2 * lease.ns}))) return;
        spdlog::warn("a peer that lives is lost, or may hold on to pages for good: opening the fabric anew");
        for (auto& [key, s] : sequences_) {
            if (s.transfer) (void)carrier_->cancel(*s.transfer);
        }
        settle();
        beat(now);
        before_ = totals_;
        carrier_->reopen();
        (void)pages_->fence_all();
        attach();
        others_->connect_anew();
        ++totals_.reopened;
        const auto address = carrier_->address();
        say(wire::reopened{epoch_, {address.begin(), address.end()}});
        when_.done(now);
        report_ = true;
    }

    // ---- what the router says

    bool hear(const wire::challenge& f) {
        if (f.protocol != wire::version)
            return spdlog::error("the router speaks version {} of the protocol, this engine {}", f.protocol,
                                 wire::version),
                   false;
        nonce_ = {random_word(), random_word()};
        theirs_ = f.nonce;
        say(wire::response{wire::prove(key_, "engine", f.nonce, nonce_), nonce_});
        return true;
    }
    bool hear(const wire::counter_response& f) {
        if (!(f.proof == wire::prove(key_, "router", nonce_, theirs_)))
            return spdlog::error("the router does not hold this fleet's key; hanging up"), false;
        wire::hello me;
        me.as = as_;
        me.epoch = epoch_;
        me.member = member_;
        me.pid = static_cast<std::uint32_t>(::getpid());
        me.pid_space = process_namespace();
        me.blocks_total = layout_.shape.blocks;
        me.tokens_per_block = kv_layout::tokens_per_block;
        me.batch_tokens_max = how_.batch_tokens;
        me.sequences_max = how_.sequences;
        me.layout = layout_.hash();
        me.model = model_.fingerprint();
        me.fabric = carrier_ ? carrier_->name() : "none";
        if (carrier_) me.address.assign(carrier_->address().begin(), carrier_->address().end());
        proven_ = true;
        say(std::move(me));
        return true;
    }
    bool hear(const wire::welcome& f) {
        if (!proven_) return false;
        heartbeat_ = al::duration{std::int64_t{std::clamp(f.heartbeat_ms, 10u, 60'000u)} * 1'000'000};
        live_ = true;
        beat(monotonic());
        return true;
    }
    bool hear(const wire::peer& f) {
        if (!live_ || !carrier_) return false;
        others_->hear(f);
        return true;
    }
    bool hear(const wire::peer_gone& f) {
        if (carrier_) others_->hear(f);
        return true;
    }
    bool hear(const wire::refused& f) {
        if (!proven_) return false;
        const std::string why = "the router does not let this " + std::string(wire::role_name(as_)) +
                                " engine in: " + f.why + " (--model " + how_.model + ")";
        if (!how_.child.empty()) throw cannot_start(why); // a new process may find another file there
        if (why != refusal_) spdlog::error(why);
        refusal_ = why;
        return false;
    }
    bool hear(const wire::shutdown&) {
        stop_ = stop_ || live_; // a stranger's word counts for nothing
        return live_;
    }

    bool hear(wire::reserve& f) {
        if (!live_ || f.context.empty() || f.capacity_tokens < f.context.size()) return false;
        const auto key = wire::key_of(f.request, f.attempt);
        if (sequences_.contains(key.value) || unready_.contains(key.value)) // not over yet
            return refuse(f, {al::errc::exhausted, al::origin::app}), true;
        if (f.how.grammar.empty()) return admit(f, std::nullopt), true;
        auto grammar = grammars_.compile(std::exchange(f.how.grammar, {}));
        if (!grammar) return refuse(f, {al::errc::exhausted, al::origin::app}), true;
        unready_.emplace(key.value, unready{std::move(f), std::move(grammar)});
        return true;
    }

    // Those whose grammar has been compiled; meanwhile everything else went on.
    void admit_ready() {
        for (auto it = unready_.begin(); it != unready_.end();) {
            const auto* made = it->second.grammar.ready();
            if (!made) {
                ++it;
                continue;
            }
            auto rule = grammars_.begin(*made);
            if (rule)
                admit(it->second.asked, std::move(rule).value());
            else
                refuse(it->second.asked, rule.fault().what); // the router has compiled it too
            it = unready_.erase(it);
        }
    }

    void refuse(const wire::reserve& f, al::error why) { say(wire::reserve_failed{f.request, f.attempt, why}); }

    void admit(wire::reserve& f, std::optional<constraint> rule) {
        sequence s{.request = f.request,
                   .attempt = f.attempt,
                   .key = wire::key_of(f.request, f.attempt),
                   .stay = {},
                   .tokens = std::move(f.context),
                   .how = std::move(f.how),
                   .rule = std::move(rule),
                   .transfer = {},
                   .pushes = f.as == sched::role::prefill};
        const auto context = static_cast<std::uint32_t>(s.tokens.size());
        const auto opened = pages_->open(s.key, s.tokens, f.capacity_tokens - context);
        if (!opened) return refuse(f, opened.error());
        wire::reserved answer{f.request, f.attempt, opened->cached_tokens, {}};
        const auto give_up = [&](al::error why) {
            (void)pages_->close(s.key);
            refuse(f, why);
        };
        if (f.as == sched::role::decode) {
            std::byte buffer[kv::ticket_bytes_max];
            const auto granted = carrier_->grant(s.key, context, opened->cached_tokens, monotonic(), buffer);
            if (!granted) return give_up(granted.error());
            s.transfer = granted->transfer;
            answer.ticket.assign(granted->ticket.begin(), granted->ticket.end());
        } else if (f.as == sched::role::prefill) {
            const neighbour* to = others_->find(f.peer);
            if (!to || !to->generation) return give_up({al::errc::peer_down, al::origin::app});
            // Whether it lives will be known in a moment: then one of the two opens its fabric anew, or it is gone.
            if (!others_->up(*to)) return give_up({al::errc::exhausted, al::origin::app});
            const auto transfer = carrier_->send(s.key, to->at, f.ticket, monotonic());
            if (!transfer) {
                spdlog::warn("a ticket is refused: {}", al::to_string(transfer.error().code));
                return give_up(transfer.error());
            }
            s.transfer = *transfer;
        }
        // The prompt's own log-probabilities need every position computed: the same bits go to the same pages again.
        if (s.how.prompt_logprobs)
            answer.cached_tokens = 0;
        else if (f.as == sched::role::prefill && answer.cached_tokens)
            (void)carrier_->all_ready(*s.transfer, {0, answer.cached_tokens / kv_layout::tokens_per_block});
        s.stay = {f.as, context, answer.cached_tokens};
        if (s.transfer) s.stay.hands_over();
        sequences_.emplace(s.key.value, std::move(s));
        say(std::move(answer));
    }

    bool hear(wire::batch& f) {
        if (!live_) return false;
        batch_ = std::move(f);
        return true;
    }

    bool hear(const wire::release& f) {
        const auto key = wire::key_of(f.request, f.attempt).value;
        unready_.erase(key);
        const auto it = sequences_.find(key);
        if (it == sequences_.end()) return true;
        sequence& s = it->second;
        if (s.stay.release()) (void)carrier_->cancel(*s.transfer);
        close_if_over(it);
        return true;
    }

    using sequence_map = std::unordered_map<std::uint64_t, sequence>;

    sequence_map::iterator close_if_over(sequence_map::iterator it) {
        if (!it->second.stay.over()) return std::next(it);
        (void)pages_->close(it->second.key);
        return sequences_.erase(it);
    }

    // ---- what transfers say. `all`: nothing is being computed, so that sequences may be closed.
    void hear_transfers(bool all) {
        kv::transfer_event event;
        while (carrier_->next_event(event)) over_.push_back(event);
        while (!over_.empty()) {
            const kv::transfer_event& e = over_.front();
            const auto it = sequences_.find(e.request.value);
            if (it == sequences_.end() || it->second.transfer != e.transfer) {
                over_.pop_front();
                continue;
            }
            if (!all) return;
            sequence& s = it->second;
            s.transfer.reset();
            report_ = true;
            switch (s.stay.handed_over(e.ok)) {
            case sched::tenancy::word::failed:
                say(wire::transfer_failed{s.request, s.attempt, e.fault});
                break;
            case sched::tenancy::word::received:
                (void)pages_->commit(s.key, s.tokens);
                say(wire::transfer_done{s.request, s.attempt});
                break;
            case sched::tenancy::word::nothing:
                break;
            }
            close_if_over(it);
            over_.pop_front();
        }
    }

    // ---- a batch

    struct share { // of a batch: one slice
        sequence* of;
        const wire::item* item;
        std::uint32_t position, count;
        bool logits;
    };

    void compute(const wire::batch& b) {
        const al::instant began = monotonic();
        std::vector<share> shares;
        for (const wire::item& item : b.items) {
            const auto it = sequences_.find(wire::key_of(item.request, item.attempt).value);
            const auto fail = [&](al::errc why) {
                say(wire::item_failed{item.request, item.attempt, b.id, {why, al::origin::app}});
            };
            if (it == sequences_.end() || it->second.stay.released()) {
                fail(al::errc::not_found);
                continue;
            }
            sequence& s = it->second;
            if (item.kind == sched::item_kind::decode && item.position == s.tokens.size())
                s.tokens.push_back(item.input);
            if (!s.stay.admits(item.position, item.count, s.tokens.size())) {
                fail(al::errc::out_of_range);
                continue;
            }
            if (item.kind == sched::item_kind::prefill &&
                s.how.prompt_logprobs) { // every position's logits, one slice each
                for (std::uint32_t i = 0; i < item.count; ++i)
                    shares.push_back(
                        {&s, &item, item.position + i, 1, item.position + i + 1 < s.stay.context() || item.last});
            } else {
                shares.push_back({&s, &item, item.position, item.count, item.last});
            }
        }
        for (std::size_t at = 0; at < shares.size() && line_.open();) {
            const std::size_t count = std::min<std::size_t>(model_.slices_max(), shares.size() - at);
            run(b, std::span(shares).subspan(at, count));
            at += count;
        }
        ++totals_.batches;
        totals_.busy_ns += static_cast<std::uint64_t>((monotonic() - began).ns);
        say(wire::batch_done{b.id});
    }

    void run(const wire::batch& b, std::span<const share> shares) {
        slices_.clear();
        for (const share& each : shares) {
            slices_.push_back({std::span<const al::token_id>(each.of->tokens).subspan(each.position, each.count),
                               each.position, pages_->runs(each.of->key), each.logits});
            totals_.batch_tokens += each.count;
        }
        const auto done = model_.forward(slices_, layout_, pool_.data(), [&](al::layer_id layer) {
            for (const share& each : shares) {
                if (!each.of->pushes || !each.of->transfer) continue;
                const auto ready = kv::blocks_completed(each.position, each.count, each.of->stay.context(),
                                                        kv_layout::tokens_per_block);
                if (ready.count) (void)carrier_->layer_ready(*each.of->transfer, layer, ready.first, ready.count);
            }
            if (line_.open() && !progress(false)) line_.close();
            return line_.open(); // else nobody wants the rest, and the next router should not wait for it
        });
        std::size_t with_logits = 0;
        for (const share& each : shares) {
            sequence& s = *each.of;
            stay_alive();
            if (!done) {
                say(wire::item_failed{s.request, s.attempt, b.id, done.error()});
                continue;
            }
            const std::uint32_t end = each.position + each.count;
            s.stay.computed_to(end);
            (void)pages_->commit(s.key, std::span<const al::token_id>(s.tokens).first(s.stay.computed()));
            if (!each.logits) continue;
            const std::size_t i = with_logits++;
            if (s.how.prompt_logprobs && each.item->kind == sched::item_kind::prefill && end < s.stay.context()) {
                say(wire::prompt_token{s.request, s.attempt, end, model_.chance_of(i, s.tokens[end]),
                                       model_.rank_of(i, s.tokens[end]),
                                       model_.likeliest(i, s.how.prompt_top_logprobs)});
                continue;
            }
            sample(b, *each.item, s, i, end);
        }
    }

    void sample(const wire::batch& b, const wire::item& item, sequence& s, std::size_t i, std::uint32_t position) {
        const std::uint32_t generated = position + 1 - std::min(position + 1, s.how.prompt_tokens); // with this one
        bool may_stop = generated > s.how.min_tokens;
        wire::token said{.request = s.request,
                         .attempt = s.attempt,
                         .batch = b.id,
                         .kind = item.kind,
                         .stop = false,
                         .position = position,
                         .chosen = {},
                         .top = {}};
        bool over = false;
        const auto mask = mask_of(s, position, over);
        if (!mask) return say(wire::item_failed{s.request, s.attempt, b.id, mask.error()});
        may_stop = may_stop || over; // nothing else is left to say
        said.chosen = model_.sample(i, s.how, std::span<const al::token_id>(s.tokens).first(position), may_stop, *mask);
        said.stop = may_stop && std::find(s.how.stop_tokens.begin(), s.how.stop_tokens.end(), said.chosen.token) !=
                                    s.how.stop_tokens.end();
        if (s.how.logprobs) said.top = model_.likeliest(i, s.how.top_logprobs);
        say(std::move(said));
    }

    // Which tokens a grammar allows at `position`; empty: there is no grammar. unsupported: none. `over`: only an end.
    al::result<std::span<const std::uint64_t>> mask_of(sequence& s, std::uint32_t position, bool& over) {
        if (!s.rule) return std::span<const std::uint64_t>{};
        const auto from = std::min(s.how.prompt_tokens, position);
        if (const auto read = s.rule->follow(std::span(s.tokens).subspan(from, position - from)); !read)
            return read.error();
        allowed_.resize(grammars_.words());
        const std::uint32_t generated = position - from, most = s.how.max_tokens;
        over = !s.rule->allowed(s.how.stop_tokens, allowed_, most - std::min(most, generated));
        if (std::all_of(allowed_.begin(), allowed_.end(), [](std::uint64_t word) { return word == 0; }))
            return al::error{al::errc::unsupported, al::origin::app};
        return std::span<const std::uint64_t>(allowed_);
    }

    const settings how_;
    const sched::role as_;
    const al::key128 key_;
    computer model_;
    constraints grammars_;
    std::vector<std::uint64_t> allowed_; // the mask of one answer
    peers peers_;
    peers::place router_;
    const std::uint64_t member_ = random_word(); // in the directory, whatever its epoch
    kv_layout layout_;
    std::unique_ptr<carrier> carrier_; // none in a unified engine
    std::span<std::byte> pool_;
    std::optional<kv::cache> pages_;
    al::epoch_id epoch_{};

    link line_;
    std::deque<wire::to_engine> inbox_;
    std::optional<wire::batch> batch_;
    sequence_map sequences_;
    struct unready {
        wire::reserve asked;
        constraints::asked grammar;
    };
    std::unordered_map<std::uint64_t, unready> unready_; // by key: their grammars are being compiled
    std::optional<neighbours> others_;
    sched::reopening when_{{.patience = 2_s, .pause = 1_s, .pause_max = 60_s}};
    std::deque<kv::transfer_event> over_;
    std::vector<al::model::slice> slices_;
    al::digest128 nonce_, theirs_;
    al::duration heartbeat_ = 250_ms; // said twice as often, so that one that comes late is not missed
    al::instant last_beat_, last_tick_;
    wire::counters totals_, before_; // before_: of the fabric's former openings
    std::string refusal_;
    bool proven_ = false, live_ = false, stop_ = false, report_ = false;
};

} // namespace

int run_engine(const settings& how) {
    name_process(how.child.empty() ? how.role : how.child);
    if (how.child.empty()) {
        for (const int number : {SIGTERM, SIGINT}) {
            std::signal(number, [](int) {
                told_to_stop = 1;
                if (nothing_to_lose) ::_exit(0);
            });
        }
    } else { // the router tells when it has drained; a signal to the whole group must not come before it
        for (const int number : {SIGTERM, SIGINT}) std::signal(number, SIG_IGN);
    }
    engine one(how);
    return outlast(how.child.empty() ? how.role : how.child, [&] { return one.run(); });
}

} // namespace serve
