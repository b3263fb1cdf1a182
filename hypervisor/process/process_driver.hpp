// SPDX-License-Identifier: Apache-2.0
// The embedded hypervisor's client: chaos-hv owns the domains, this driver launches and listens without asking it.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "hypervisor/drivers.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/process/hv_client.hpp"

namespace hypervisor::process {

class ProcessDomain;

/// What tells the drivers apart whose domains chaos-hv owns. Domains of every kind are adopted by each of them; new ones
/// are of its own kind.
struct Variant {
    Kind kind{Kind::process};
    std::string_view isolation;
    unsigned tasks_per_domain{1};        ///< processes and threads of a domain with one vCPU
    base::Bytes max_memory{UINT64_MAX};  ///< of one domain, on any host
};

/// The name of the driver whose domains are of that kind.
std::string_view driver_name(Kind kind);

/// Opens the driver of confined processes.
Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options);

class ProcessDriver final : public Hypervisor {
 public:
    /// Connects to the chaos-hv of `options.runtime_dir`; starts one when there is none.
    static Result<std::unique_ptr<Hypervisor>> open(const DriverOptions& options, const Variant& variant);

    const Capabilities& capabilities() const override { return capabilities_; }
    Result<std::unique_ptr<Domain>> create_shell(const ShellSpec& spec) override;
    Result<std::vector<std::unique_ptr<Domain>>> adopt() override;
    int poll_fd() const override { return epoll_.get(); }
    Result<void> poll(EventSink& sink, std::size_t budget) override;

    // ---- for ProcessDomain, on the main thread

    /// A management request about `domain`; waits for the answer.
    Result<void> request(Op op, base::DomId domain, std::uint64_t arg = 0);
    /// Stops listening to `domain` and forgets the object.
    void unwatch(const ProcessDomain& domain);
    bool knows(base::DomId domain) const;
    /// Where this process, and so a domain, may run.
    const cpu_set_t& processors() const { return processors_; }

 private:
    struct Connections {
        HvClient control;  ///< main thread
        HvClient prepare;  ///< create_shell, any thread
        HvClient events;   ///< deaths
    };

    ProcessDriver(Connections connections, const Reply& hello, const Variant& variant);
    Result<void> listen();
    Result<void> watch(ProcessDomain& domain);
    Result<std::unique_ptr<Domain>> take(DomainHandles handles);
    ProcessDomain* at(std::uint64_t id) const;
    void on_doorbell(ProcessDomain& domain, EventSink& sink, std::chrono::steady_clock::time_point now);
    Result<void> take_deaths(EventSink& sink, std::size_t budget);
    Result<void> silence(ProcessDomain& domain);
    void end_silence(EventSink& sink);

    HvClient control_;
    HvClient prepare_;
    HvClient events_;
    Kind kind_;
    Capabilities capabilities_;
    base::Fd epoll_;
    base::Fd silence_timer_;
    std::vector<std::uint16_t> silenced_;
    cpu_set_t processors_;
    std::uint64_t oom_kills_{0};
    bool lost_{false};
    /// Domain objects by id. Written by the thread that makes a domain, read by the one that polls.
    std::vector<std::atomic<ProcessDomain*>> domains_;
};

}  // namespace hypervisor::process
