// SPDX-License-Identifier: Apache-2.0
// The engines' control connections: who may join (the fleet's key, one model, one KV layout), who reaches whom, who has
// gone. Requests are none of its business: what an engine says about one is handed on as it came.
//
//     engines all(loop, {...}, {.up = ..., .down = ..., .heard = ...});   all.accept_from(listening_fd);
//     all.send(instance, wire::release{id, attempt});
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/siphash.hpp>

#include "link.hpp"
#include "wire.hpp"

namespace serve {

struct engine_connection {
    engine_connection(boost::asio::io_context& loop, int fd) : line(fd), watch(loop, fd), process(loop) {}
    ~engine_connection();
    bool live() const { return stage == is_live; }
    link line;
    boost::asio::posix::stream_descriptor watch;
    boost::asio::posix::stream_descriptor process; // open where its end can be seen: on this machine
    enum { challenged, proven, is_live, fenced } stage = challenged;
    ashlar::digest128 nonce;
    wire::hello facts;
    ashlar::epoch_id endpoint; // of its fabric: another than facts.epoch once it was opened anew
    ashlar::instance_id instance;
    std::string name; // the role, numbered from the second one on: of the log and the metrics
    wire::counters totals;
    bool writing = false, gone = false;
};

class engines {
public:
    struct terms {
        ashlar::key128 key;
        ashlar::digest128 model; // everybody serves this one
        std::uint32_t heartbeat_ms = 0;
        bool same_machine = false; // over Unix sockets, whose end is the end of the process
    };
    struct reports {
        std::function<void(const engine_connection&)> up, down; // down: only of one that was up
        std::function<bool(const wire::hello&)> admits;         // beside the key: the directory's word
        std::function<void(engine_connection&, wire::to_router&)> heard;
    };

    engines(boost::asio::io_context& loop, const terms& agreed, reports tell);

    void accept_from(int listening_fd); // takes the descriptor over
    void send(ashlar::instance_id to, const wire::to_engine& frame);
    void send_all(const wire::to_engine& frame);
    // Hears no more of it; nullptr when it is not there. Its peers may use the pages that it could touch once its
    // process has ended: when its connection does.
    const engine_connection* fence(ashlar::instance_id instance);
    void hang_up(ashlar::instance_id instance, std::string_view why);

    const std::list<std::shared_ptr<engine_connection>>& all() const { return all_; }

private:
    using pointer = std::shared_ptr<engine_connection>;
    void accept();
    void listen_to(const pointer& one);
    void write_later(const pointer& one);
    void drop(const pointer& one, std::string_view why, bool dead = false);
    void tell_peers(const engine_connection& gone, bool dead);
    bool hear(const pointer& one, const wire::response& frame);
    bool hear(const pointer& one, wire::hello& frame);
    bool hear(const pointer& one, wire::reopened& frame);
    void introduce(const engine_connection& one, const pointer& to);
    std::string name_for(const engine_connection& one) const;

    boost::asio::io_context& loop_;
    const terms agreed_;
    const reports tell_;
    boost::asio::posix::stream_descriptor control_;
    boost::asio::steady_timer pause_;
    std::list<pointer> all_;
    std::list<pointer> ending_; // no longer there, whose processes have not ended yet
    std::uint32_t instances_ = 0;
};

} // namespace serve
