// SPDX-License-Identifier: Apache-2.0
// UCX's one-sided put as a peer of the figure kv.transfer: bench/kv_transfer.py starts
//
//     kv_transfer_ucx source|target BOARD MIB ours POOL    the target's memory is UCX's own: copied into without the
//     kernel kv_transfer_ucx source|target BOARD MIB theirs POOL  both pools as they are given: through the kernel
//
// UCX_TLS and the like choose transports. The list is posted as puts without waiting, then flushed: the flush ends when
// every byte is in the target's memory. Built by bench/peers/kv_transfer_setup.py; UCX 1.13 or later.
#include <ucp/api/ucp.h>

#include "../kv_board.hpp"

namespace {
constexpr std::uint64_t connected = ~std::uint64_t{0};
constexpr int populate_write = 23, collapse = 25; // MADV_...: of Linux 5.14 and 6.1, newer than some headers
struct letter {
    std::uint64_t base, address_bytes, key_bytes;
    std::byte bytes[30 << 10];
};
void must(ucs_status_t status, const char* what) {
    if (status != UCS_OK) kv_board::fail(std::string(what) + ": " + ucs_status_string(status));
}
void wait(ucp_worker_h worker, ucs_status_ptr_t request, const char* what) {
    if (UCS_PTR_IS_ERR(request)) must(UCS_PTR_STATUS(request), what);
    if (!request) return;
    while (ucp_request_check_status(request) == UCS_INPROGRESS) ucp_worker_progress(worker);
    must(ucp_request_check_status(request), what);
    ucp_request_free(request);
}
} // namespace

int main(int count, char** words) {
    if (count != 6) return 2;
    const bool source = std::string(words[1]) == "source", ours = std::string(words[4]) == "ours";
    kv_board::board& board = kv_board::open_board(words[2]);
    const std::size_t size = std::strtoull(words[3], nullptr, 0) << 20;
    std::byte* pool = source || !ours ? kv_board::map(words[5], size) : nullptr;

    ucp_params_t params{};
    params.field_mask = UCP_PARAM_FIELD_FEATURES;
    params.features = UCP_FEATURE_RMA;
    ucp_context_h context;
    must(ucp_init(&params, nullptr, &context), "ucp_init");
    ucp_worker_params_t of_worker{};
    of_worker.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    of_worker.thread_mode = UCS_THREAD_MODE_SINGLE;
    ucp_worker_h worker;
    must(ucp_worker_create(context, &of_worker, &worker), "ucp_worker_create");

    ucp_mem_map_params_t of_memory{};
    of_memory.field_mask =
        UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_FLAGS;
    of_memory.address = pool;
    of_memory.length = size;
    of_memory.flags = pool ? 0 : UCP_MEM_MAP_ALLOCATE;
    if (!pool) { // on a 2 MiB boundary
        constexpr std::size_t huge = 2 << 20;
        void* room = ::mmap(nullptr, size + huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        of_memory.address = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(room) + huge - 1) / huge * huge);
        ::munmap(room, size + huge);
        of_memory.flags |= UCP_MEM_MAP_FIXED;
    }
    ucp_mem_h memory;
    must(ucp_mem_map(context, &of_memory, &memory), "ucp_mem_map");
    if (!pool) {
        ucp_mem_attr_t facts{};
        facts.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS;
        must(ucp_mem_query(memory, &facts), "ucp_mem_query");
        pool = static_cast<std::byte*>(facts.address);
        std::memset(pool, 0, size);
        ::madvise(pool, size, collapse);
    }
    if (!source) { // what the source needs in order to write here
        auto& mine = *reinterpret_cast<letter*>(board.letters[0]);
        ucp_address_t* address;
        std::size_t bytes;
        must(ucp_worker_get_address(worker, &address, &bytes), "ucp_worker_get_address");
        mine.base = reinterpret_cast<std::uint64_t>(pool), mine.address_bytes = bytes;
        std::memcpy(mine.bytes, address, bytes);
        void* key;
        must(ucp_rkey_pack(context, memory, &key, &bytes), "ucp_rkey_pack");
        mine.key_bytes = bytes;
        std::memcpy(mine.bytes + mine.address_bytes, key, bytes);
    }
    ucp_ep_h ep{};
    ucp_rkey_h key{};
    std::uint64_t base = 0;
    std::byte* other = nullptr;
    const auto flush = [&] {
        ucp_request_param_t none{};
        wait(worker, ucp_ep_flush_nbx(ep, &none), "flush");
    };
    kv_board::serve(ucp_get_version_string(), [&](const std::string& what, std::uint64_t n) -> std::string {
        if (what == "connect" && source) {
            const auto& theirs = *reinterpret_cast<const letter*>(board.letters[0]);
            base = theirs.base;
            ucp_ep_params_t of_ep{};
            of_ep.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
            of_ep.address = reinterpret_cast<const ucp_address_t*>(theirs.bytes);
            must(ucp_ep_create(worker, &of_ep, &ep), "ucp_ep_create");
            must(ucp_ep_rkey_unpack(ep, theirs.bytes + theirs.address_bytes, &key), "ucp_ep_rkey_unpack");
            void* direct = nullptr;
            const bool shared = ucp_rkey_ptr(key, base, &direct) == UCS_OK;
            if (shared) { // no page faults on the way, huge pages where UCX's place for it allows
                ::madvise(direct, size, collapse);
                ::madvise(direct, size, populate_write);
            }
            flush();
            board.finished = connected;
            return shared ? "mapped" : "unmapped";
        }
        if (what == "run" && source) {
            ucp_request_param_t none{};
            board.begin = kv_board::now();
            for (std::uint64_t i = 0; i < board.count; ++i) {
                const auto& m = board.moves[i];
                ucs_status_ptr_t r = ucp_put_nbx(ep, pool + m.source, board.bytes, base + m.target, key, &none);
                if (UCS_PTR_IS_ERR(r)) must(UCS_PTR_STATUS(r), "put");
                if (r) ucp_request_free(r); // it goes on; the flush waits for it
            }
            flush();
            board.end = kv_board::now();
            board.finished = n;
            return "ok";
        }
        if (what == "run" || what == "connect") { // the target gives progress while the source works
            while (board.finished.load() != (what == "run" ? n : connected)) ucp_worker_progress(worker);
            return "ok";
        }
        if (what == "check") {
            if (!other) other = kv_board::map(reinterpret_cast<const char*>(board.letters[1]), size);
            return std::to_string(kv_board::first_wrong(board, other, pool));
        }
        kv_board::fail("what is " + what);
    });
    std::_Exit(0); // the other side is going away as well: no goodbyes
}
