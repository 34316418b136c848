// SPDX-License-Identifier: Apache-2.0
// The scheduler's log as a file: every (time, event, actions) in the format of sched/log.hpp, appended before the
// actions are carried out, so that a killed router's log holds all that it did.
//
//     journal log(folder, options);   log.append(now, event, actions);
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <ashlar/sched/log.hpp>

namespace serve {

class journal {
public:
    // No folder: nothing is written. Throws std::runtime_error when the file cannot be made.
    journal(const std::string& folder, const ashlar::sched::pd_options& options);
    ~journal();
    journal(const journal&) = delete;
    journal& operator=(const journal&) = delete;

    void append(ashlar::instant now, const ashlar::sched::event& what, std::span<const ashlar::sched::action> said);

private:
    void write(std::span<const std::byte> bytes);

    int fd_ = -1;
    std::vector<std::byte> record_;
};

} // namespace serve
