// SPDX-License-Identifier: Apache-2.0
// kv_transfer ROLE BOARD ...: the processes of the figure kv.transfer that are ours, and the plain copies beside them.
// bench/kv_transfer.py starts them and tells them what to do.
//
//   source BOARD BYTES MIB [PROVIDER]          a prefill side: pool, mover, and window, or libfabric with this provider
//   target BOARD BYTES MIB [PROVIDER]          its decode side
//   copies BOARD SOURCE TARGET MIB PID BASE    non-temporal, memcpy, or process_vm_readv from BASE of PID, by one core
//
// Blocks of BYTES lie at random places of both pools; each round moves those that were not moved for longest, so that
// neither side's are in a cache.
#include <ashlar/core/copy_nt.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/fabric/window.hpp>
#include <ashlar/kv.hpp>
#ifdef ASHLAR_WITH_OFI
#include <ashlar/ofi/endpoint.hpp>
#endif

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include <sys/uio.h>

#include "kv_board.hpp"

using namespace ashlar;
using namespace ashlar::literals;
namespace {
constexpr std::uint32_t layers = 16, tokens = 16;
constexpr std::size_t round_bytes = 64 << 20;
using layout_type = kv::layer_first<f16, kv::tokens<tokens>>;

instant clock_now() { return {kv_board::now()}; }

// A fabric and its pool, a shared file of which a descriptor is open, so that the other side can compare.
struct window_pool {
    fabric::window net = fabric::window::open({}).value();
    std::span<std::byte> bytes;
    window_pool(std::size_t size, const char*) : bytes(net.allocate(size).value()) {}
};
#ifdef ASHLAR_WITH_OFI
struct ofi_pool {
    std::span<std::byte> bytes; // outlives the endpoint
    ofi::endpoint net;
    ofi_pool(std::size_t size, const char* provider) : bytes(file(size), size), net(open(provider)) {}
    static std::byte* file(std::size_t size) {
        const int fd = ::memfd_create("pool", MFD_CLOEXEC);
        if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(size)) != 0) kv_board::fail("no memory for a pool");
        return kv_board::map(("/proc/self/fd/" + std::to_string(fd)).c_str(), size);
    }
    static ofi::endpoint open(const char* provider) {
        auto net = ofi::endpoint::open({.provider = provider});
        if (!net) kv_board::fail(std::string(ofi::describe(net.error(), provider).view()));
        return std::move(*net);
    }
};
#endif

template <class Pool>
struct side {
    kv_board::board& board;
    bool prefill;
    layout_type layout;
    std::uint32_t blocks_a_round;
    Pool opened;
    decltype(Pool::net)& net = opened.net;
    std::span<std::byte> bytes = opened.bytes;
    fabric::region region;
    kv::cache pages;
    kv::mover<decltype(Pool::net), layout_type> mover;
    fabric::peer_id peer{};
    std::vector<std::uint32_t> order; // blocks, in the order in which they are moved
    std::size_t at = 0, pass = 0;
    request_id request{1u << 20};
    kv::granted lent{};
    std::byte* other = nullptr;

    static layout_type shape(std::size_t block, std::size_t pool) {
        const auto width = static_cast<std::uint32_t>(block / (2 * tokens * sizeof(f16))); // heads times elements
        return {{.layers = layers,
                 .kv_heads = 1,
                 .head_dim = width,
                 .blocks = static_cast<std::uint32_t>(pool / layers / block)}};
    }
    side(kv_board::board& b, bool is_prefill, std::size_t block, std::size_t pool, const char* provider)
        : board(b), prefill(is_prefill), layout(shape(block, pool)),
          blocks_a_round(static_cast<std::uint32_t>(round_bytes / layers / block)), opened(pool, provider),
          region(net.register_memory({bytes.data(), bytes.size()}).value()),
          pages({.pages = layout.shape.blocks,
                 .tokens_per_block = tokens,
                 .sequences_max = layout.shape.blocks + 1,
                 .blocks_per_sequence_max = blocks_a_round,
                 .leases_max = 4,
                 .salt = {1, 2},
                 .prefix_caching = false}),
          mover(net, pages, layout, region, {{prefill ? 1u : 2u}, {prefill ? 11u : 22u}, {3, 4}},
                {.transfers_max = 4,
                 .writes_max = 256,
                 .peers_max = 2,
                 .lease = 10_s,
                 .renew_every = 1_s,
                 .resend_after = 1_s,
                 .verify = true,
                 .pull = false}),
          order(layout.shape.blocks) {
        for (std::size_t i = 0; prefill && i < bytes.size(); i += 8) {
            const std::uint64_t word = mix(i, block);
            std::memcpy(bytes.data() + i, &word, sizeof word);
        }
        std::iota(order.begin(), order.end(), 0u);
        random_stream random{.seed = prefill ? 5u : 7u};
        for (std::size_t i = order.size() - 1; i; --i) std::swap(order[i], order[random.below(i + 1)]);
        const token_id one[tokens] = {};
        for (std::uint32_t i = 0; i < layout.shape.blocks; ++i) // requests of a block hold the pool: page i is i's
            if (!pages.open({i}, one, 0) || pages.runs({i})[0].first != i) kv_board::fail("not page after page");
    }
    std::uint32_t next(std::size_t i) const { return order[(at + i + (prefill ? 0 : pass)) % order.size()]; }

    // Holes where this round's blocks are, and one request that fills them.
    void prepare() {
        for (std::size_t i = 0; i < blocks_a_round; ++i)
            if (!pages.close({next(i)})) kv_board::fail("cannot close");
        const std::vector<token_id> prompt(std::size_t{blocks_a_round} * tokens);
        if (!pages.open(request, prompt, 0)) kv_board::fail("cannot open");
        board.bytes = layout.page_bytes(), board.count = std::uint64_t{blocks_a_round} * layers;
        std::size_t n = 0;
        for (std::uint32_t l = 0; l < layers; ++l)
            for (const block_run& run : pages.runs(request))
                for (std::uint32_t b = 0; b < run.count; ++b, ++n)
                    (prefill ? board.moves[n].source : board.moves[n].target) =
                        layout.page_offset({run.first + b}, {l});
    }
    void put_back() {
        if (!pages.close(request)) kv_board::fail("cannot close");
        const token_id one[tokens] = {};
        std::vector<std::uint32_t> back(blocks_a_round); // each page to the request that had it
        for (std::size_t i = 0; i < blocks_a_round; ++i) back[i] = next(i);
        std::sort(back.begin(), back.end());
        for (std::uint32_t b : back)
            if (!pages.open({b}, one, 0) || pages.runs({b})[0].first != b) kv_board::fail("another page came back");
        request.value += 1;
        if ((at += blocks_a_round) + blocks_a_round > order.size()) at = 0, ++pass;
    }
    void grant() {
        std::byte room[kv::ticket_bytes_max];
        const auto g = mover.grant(request, blocks_a_round * tokens, 0, clock_now(), room);
        if (!g) kv_board::fail("no grant: " + std::to_string(static_cast<int>(g.error().code)));
        std::memcpy(board.ticket, g->ticket.data(), g->ticket.size());
        board.ticket_bytes = g->ticket.size();
    }
    // Runs the mover until this side's transfer is over.
    void run() {
        if (prefill) {
            board.begin = kv_board::now();
            const auto t = mover.send(request, peer, {board.ticket, board.ticket_bytes.load()}, clock_now());
            if (!t || !mover.all_ready(*t, {0, blocks_a_round})) kv_board::fail("cannot send");
        }
        std::int64_t ticked = 0;
        for (kv::transfer_event e;;) {
            const instant now = clock_now();
            mover.poll(now);
            if (now.ns - ticked > 1'000'000) mover.tick(now), ticked = now.ns;
            if (!mover.next_event(e)) continue;
            if (!e.ok) kv_board::fail("failed: " + std::to_string(static_cast<int>(e.fault.code)));
            if (!prefill) board.end = kv_board::now();
            break;
        }
        for (int i = 0; i < 1000000 && !mover.idle(); ++i) mover.poll(clock_now());
    }
    std::string descriptor() const {
        for (int fd = 3; fd < 1024; ++fd) { // the only shared file of the pool's size
            struct stat facts{};
            if (::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) &&
                static_cast<std::size_t>(facts.st_size) == bytes.size())
                return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd);
        }
        kv_board::fail("no pool");
    }
    // `n` messages of 64 bytes there and back: ns of one way. To be asked before anything is moved.
    std::string ping(std::uint64_t n) {
        const std::byte word[64] = {};
        fabric::op sent;
        std::uint64_t said = 0, heard = 0;
        const std::int64_t begin = kv_board::now();
        while (heard < n || said < n || sent.status == fabric::op_status::pending) {
            const bool turn = prefill ? said == heard : said < heard;
            if (turn && said < n && sent.status != fabric::op_status::pending) said += bool(net.send(peer, word, sent));
            fabric::completion done[8];
            const std::size_t news = net.poll(done);
            for (std::size_t i = 0; i < news; ++i) heard += done[i].what == fabric::completion::kind::message;
            if (kv_board::now() - begin > 60'000'000'000) kv_board::fail("no echo");
        }
        return std::to_string((kv_board::now() - begin) / static_cast<std::int64_t>(2 * n));
    }
    std::string act(const std::string& what, std::uint64_t n) {
        const auto mine = net.address();
        if (what == "address") return std::memcpy(board.letters[prefill], mine.data(), mine.size()), "ok";
        if (what == "connect") {
            auto p = net.connect({board.letters[!prefill], mine.size()});
            if (!p) kv_board::fail("cannot connect");
            return peer = *p, "ok";
        }
        if (what == "ping") return ping(n);
        if (what == "prepare") return prepare(), "ok";
        if (what == "grant") return grant(), "ok";
        if (what == "run") return run(), "ok";
        if (what == "back") return put_back(), "ok";
        if (what == "check") { // the other pool is named in letters[1]
            if (!other) other = kv_board::map(reinterpret_cast<const char*>(board.letters[1]), bytes.size());
            return std::to_string(
                kv_board::first_wrong(board, prefill ? bytes.data() : other, prefill ? other : bytes.data()));
        }
        kv_board::fail("what is " + what);
    }
};

template <class Pool>
void be(char** words, const char* provider) {
    side<Pool> s(kv_board::open_board(words[2]), std::string(words[1]) == "source", std::strtoull(words[3], nullptr, 0),
                 std::strtoull(words[4], nullptr, 0) << 20, provider);
    kv_board::serve(s.descriptor() + " " + std::to_string(::getpid()) + " " +
                        std::to_string(reinterpret_cast<std::uintptr_t>(s.bytes.data())),
                    [&](const std::string& what, std::uint64_t n) { return s.act(what, n); });
}

void copy(const kv_board::board& b, std::byte* target, const std::byte* source, bool plain) {
    namespace copy = detail::copy;
    for (std::uint64_t i = 0; i < b.count; ++i) {
        if (plain)
            std::memcpy(target + b.moves[i].target, source + b.moves[i].source, b.bytes);
        else
            copy::lines(copy::best(), target + b.moves[i].target, source + b.moves[i].source, b.bytes);
    }
    copy::fence();
}
void read_process(const kv_board::board& b, std::byte* target, pid_t process, std::uint64_t base) {
    constexpr std::uint64_t batch = 1024; // IOV_MAX
    iovec here[batch], there[batch];
    for (std::uint64_t i = 0; i < b.count; i += batch) {
        const std::uint64_t n = std::min(batch, b.count - i);
        for (std::uint64_t j = 0; j < n; ++j) {
            here[j] = {target + b.moves[i + j].target, b.bytes};
            there[j] = {reinterpret_cast<void*>(base + b.moves[i + j].source), b.bytes};
        }
        if (::process_vm_readv(process, here, n, there, n, 0) != static_cast<ssize_t>(n * b.bytes))
            kv_board::fail("process_vm_readv");
    }
}
} // namespace

int main(int count, char** words) {
    const std::string role = count > 2 ? words[1] : "";
    if (role == "copies" && count == 8) {
        kv_board::board& b = kv_board::open_board(words[2]);
        const std::size_t size = std::strtoull(words[5], nullptr, 0) << 20;
        std::byte *source = kv_board::map(words[3], size), *target = kv_board::map(words[4], size);
        const auto process = static_cast<pid_t>(std::atoi(words[6]));
        const std::uint64_t base = std::strtoull(words[7], nullptr, 0);
        kv_board::serve("", [&](const std::string& what, std::uint64_t) {
            b.begin = kv_board::now();
            what == "process_vm_readv" ? read_process(b, target, process, base)
                                       : copy(b, target, source, what == "memcpy");
            b.end = kv_board::now();
            return std::string("ok");
        });
    } else if ((role == "source" || role == "target") && count == 5) {
        be<window_pool>(words, nullptr);
#ifdef ASHLAR_WITH_OFI
    } else if ((role == "source" || role == "target") && count == 6) {
        be<ofi_pool>(words, words[5]);
#endif
    } else {
        std::fprintf(stderr, "see bench/kv_transfer.cpp\n");
        return 2;
    }
}
