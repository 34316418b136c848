// SPDX-License-Identifier: Apache-2.0
// A provider of libfabric as a peer of the figures kv.transfer and ofi.versions: bench/kv_transfer.py starts
//
//     kv_transfer_ofi source|target BOARD MIB PROVIDER POOL
//
// Over shm the list goes out as fi_write, and a write is done when it is complete at the target, which polls meanwhile
// (shm's progress is manual). TCP's providers have no such completion that one could trust: there the list goes out as
// fi_writedata, and it is done when the target has counted as many. Built by bench/peers/kv_transfer_setup.py; the same
// program runs on 1.17 and on 2.x.
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>

#include <vector>

#include "../kv_board.hpp"

namespace {
struct letter {
    std::uint64_t base, key, address_bytes;
    std::byte address[1024];
};
void must(long rc, const char* what) {
    if (rc < 0) kv_board::fail(std::string(what) + ": " + fi_strerror(static_cast<int>(-rc)));
}
} // namespace

int main(int count, char** words) {
    if (count != 6) return 2;
    const bool source = std::string(words[1]) == "source";
    kv_board::board& board = kv_board::open_board(words[2]);
    const std::size_t size = std::strtoull(words[3], nullptr, 0) << 20;
    std::byte* pool = kv_board::map(words[5], size);

    fi_info *hints = fi_allocinfo(), *info = nullptr;
    hints->fabric_attr->prov_name = ::strdup(words[4]);
    hints->caps = FI_RMA | FI_MSG;
    hints->mode = FI_CONTEXT | FI_CONTEXT2;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
    hints->domain_attr->threading = FI_THREAD_DOMAIN;
    const bool counted = std::string(words[4]) != "shm";
    if (counted)
        hints->domain_attr->cq_data_size = 4;
    else
        hints->tx_attr->op_flags = FI_DELIVERY_COMPLETE;
    must(fi_getinfo(FI_VERSION(1, 17), counted ? "127.0.0.1" : nullptr, counted ? "0" : nullptr,
                    counted ? FI_SOURCE : 0, hints, &info),
         "fi_getinfo");
    fid_fabric* fabric;
    fid_domain* domain;
    fid_ep* ep;
    fid_av* av;
    fid_cq* cq;
    fid_mr* mr;
    must(fi_fabric(info->fabric_attr, &fabric, nullptr), "fi_fabric");
    must(fi_domain(fabric, info, &domain, nullptr), "fi_domain");
    must(fi_endpoint(domain, info, &ep, nullptr), "fi_endpoint");
    fi_av_attr of_av{};
    of_av.type = FI_AV_TABLE;
    must(fi_av_open(domain, &of_av, &av, nullptr), "fi_av_open");
    fi_cq_attr of_cq{};
    of_cq.format = FI_CQ_FORMAT_DATA, of_cq.size = 4096;
    must(fi_cq_open(domain, &of_cq, &cq, nullptr), "fi_cq_open");
    must(fi_ep_bind(ep, &av->fid, 0), "bind");
    must(fi_ep_bind(ep, &cq->fid, FI_TRANSMIT | FI_RECV), "bind");
    must(fi_enable(ep), "fi_enable");
    must(fi_mr_reg(domain, pool, size, FI_WRITE | FI_READ | FI_REMOTE_WRITE | FI_REMOTE_READ, 0, source ? 1 : 2, 0, &mr,
                   nullptr),
         "fi_mr_reg");
    {
        auto& mine = *reinterpret_cast<letter*>(board.letters[source]);
        const bool virtual_addresses = info->domain_attr->mr_mode & FI_MR_VIRT_ADDR;
        mine.base = virtual_addresses ? reinterpret_cast<std::uint64_t>(pool) : 0, mine.key = fi_mr_key(mr);
        std::size_t bytes = sizeof mine.address;
        must(fi_getname(&ep->fid, mine.address, &bytes), "fi_getname");
        mine.address_bytes = bytes;
    }
    fi_addr_t peer = 0;
    letter theirs{};
    std::byte* other = nullptr;
    std::vector<fi_context2> contexts(1 << 16);
    const auto poll = [&]() -> std::uint64_t {
        fi_cq_data_entry done[64];
        const long n = fi_cq_read(cq, done, 64);
        if (n == -FI_EAVAIL) {
            fi_cq_err_entry e{};
            (void)fi_cq_readerr(cq, &e, 0);
            kv_board::fail(std::string("completion: ") + fi_strerror(e.err));
        }
        if (n != -FI_EAGAIN) must(n, "fi_cq_read");
        return n > 0 ? static_cast<std::uint64_t>(n) : 0;
    };
    const std::uint32_t version = fi_version();
    kv_board::serve(std::to_string(FI_MAJOR(version)) + "." + std::to_string(FI_MINOR(version)) + " " +
                        info->fabric_attr->prov_name,
                    [&](const std::string& what, std::uint64_t n) -> std::string {
                        if (what == "connect") {
                            theirs = *reinterpret_cast<const letter*>(board.letters[!source]);
                            if (fi_av_insert(av, theirs.address, 1, &peer, 0, nullptr) != 1)
                                kv_board::fail("fi_av_insert");
                            return "ok";
                        }
                        if (what == "run" && source) {
                            board.begin = kv_board::now();
                            std::uint64_t posted = 0, done = 0;
                            while (done < board.count) {
                                if (posted < board.count) {
                                    const auto& m = board.moves[posted];
                                    const std::uint64_t to = theirs.base + m.target;
                                    const long rc = counted
                                                        ? fi_writedata(ep, pool + m.source, board.bytes, fi_mr_desc(mr),
                                                                       1, peer, to, theirs.key, &contexts[posted])
                                                        : fi_write(ep, pool + m.source, board.bytes, fi_mr_desc(mr),
                                                                   peer, to, theirs.key, &contexts[posted]);
                                    if (rc == 0) {
                                        ++posted;
                                        if (posted % 16) continue; // polled now and then
                                    } else if (rc != -FI_EAGAIN)
                                        must(rc, "fi_write");
                                }
                                done += poll();
                            }
                            while (counted && board.finished.load() != n) (void)poll();
                            if (counted) return "ok";
                            board.end = kv_board::now();
                            board.finished = n;
                            return "ok";
                        }
                        if (what == "run") {
                            for (std::uint64_t arrived = 0; counted && arrived < board.count;) arrived += poll();
                            if (counted) board.end = kv_board::now(), board.finished = n;
                            while (board.finished.load() != n) (void)poll();
                            return "ok";
                        }
                        if (what == "check") {
                            if (!other) other = kv_board::map(reinterpret_cast<const char*>(board.letters[1]), size);
                            return std::to_string(kv_board::first_wrong(board, other, pool));
                        }
                        kv_board::fail("what is " + what);
                    });
    // What the provider has in /dev/shm goes away with the endpoint.
    for (fid* each : {&ep->fid, &mr->fid, &cq->fid, &av->fid, &domain->fid, &fabric->fid}) (void)fi_close(each);
    fi_freeinfo(info), fi_freeinfo(hints);
}
