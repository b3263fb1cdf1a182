// SPDX-License-Identifier: Apache-2.0
// domain.create while it is under way: one guest per turn of the event loop, then the wait until all are ready.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "chaos/daemon/client.hpp"
#include "chaos/daemon/host.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// A checked domain.create.
struct CreateRequest {
    ClientId client{0};
    std::string request_id;  ///< as JSON
    split::VmConfig config;
    unsigned count{1};
    bool numbered{false};  ///< names get "-1", "-2" ...
    bool wait_ready{false};
    bool progress{false};
    std::chrono::milliseconds timeout{0};  ///< from the last start until all are ready
    Clock::time_point received;
    std::uint32_t parse_ns{0};
};

/// All or nothing: when one guest of a request can't be made, or ends or does not become ready in time, those that
/// were made are destroyed before the error goes out.
class CreateJobs {
 public:
    CreateJobs(Clients& clients, Host& host) : clients_(clients), host_(host) {}

    /// The toolstack to work with; nullptr: none for the moment, all jobs have been failed.
    void use(split::Toolstack* toolstack) { toolstack_ = toolstack; }

    void start(CreateRequest request);

    // What happened to a domain. Called from within the toolstack: nothing is destroyed here.
    void on_created(base::DomId domain);
    void on_ready(base::DomId domain);
    void on_end(base::DomId domain, base::Code why, const std::string& how);
    /// It was restarted and has another id now.
    void on_successor(base::DomId domain, base::DomId successor);
    /// Its id may belong to another domain from now on.
    void on_gone(base::DomId domain);

    /// Undoes what that client's jobs have not finished making; what is made and only waited for stays.
    void client_gone(ClientId client);
    void expire(Clock::time_point now);
    std::optional<Clock::time_point> deadline() const;
    /// The hypervisor is lost and the domains with it.
    void fail_all(const base::Error& error);

    std::size_t size() const { return jobs_.size(); }

 private:
    struct Made {
        base::DomId id;    // dom0: gone
        std::string json;  // what the reply says of it; empty until it is ready
    };
    struct Job {
        CreateRequest request;
        std::vector<Made> made;
        std::size_t settled{0};  // of `made`: those with json
        std::size_t loading{0};  // of `made`: foreign kernels whose loader is at work
        std::optional<base::Error> error;
        std::optional<Clock::time_point> deadline;
        Clock::time_point next_progress;
    };
    using JobId = std::uint64_t;
    struct Place {
        JobId job;
        std::size_t index;
        bool waiting;  // for ready, or until it is created
    };

    void step(JobId id);
    base::Result<void> make_one(JobId id, Job& job);
    void settle(Job& job, std::size_t index);
    void settle_waiting(Place& place);
    void describe(Made& made);
    void advance(JobId id, Job& job);
    void finish(JobId id, Job& job);
    void fail(JobId id, Job& job, base::Error error);
    void undo_some(JobId id);
    void forget(JobId id);
    void report(Job& job);

    Clients& clients_;
    Host& host_;
    split::Toolstack* toolstack_{nullptr};
    std::unordered_map<JobId, std::unique_ptr<Job>> jobs_;
    std::unordered_map<std::uint16_t, Place> places_;  // domains of jobs that are under way
    JobId last_id_{0};
};

}  // namespace chaos
