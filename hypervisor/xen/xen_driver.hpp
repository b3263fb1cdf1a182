// SPDX-License-Identifier: Apache-2.0
// Real Xen, from dom0: chaosd is the toolstack, and Xen itself owns the domains.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "hypervisor/drivers.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/xen/event_ports.hpp"
#include "hypervisor/xen/host.hpp"
#include "hypervisor/xen/libxen.hpp"
#include "hypervisor/xen/shell_builder.hpp"

namespace hypervisor::xen {

class XenDomain;

class XenDriver final : public Hypervisor {
 public:
    static Result<std::unique_ptr<Hypervisor>> open(const DriverOptions& options);
    ~XenDriver() override;

    const Capabilities& capabilities() const override { return capabilities_; }
    Result<HostInfo> host_info() const override { return memory_of_host(toolstack_); }
    Result<std::unique_ptr<Domain>> create_shell(const ShellSpec& spec) override;
    Result<std::vector<std::unique_ptr<Domain>>> adopt() override;
    int poll_fd() const override { return epoll_.get(); }
    Result<void> poll(EventSink& sink, std::size_t budget) override;

    // ---- for XenDomain

    const Toolstack& toolstack() const { return toolstack_; }
    EventPorts& ports() { return ports_; }
    xengnttab_handle* grants() const { return grants_.get(); }
    void forget(const XenDomain& domain);
    /// Unmaps `window` later: that costs a launch nothing. Main thread.
    void retire(base::Mapping window);
    /// Unmaps at once what was to be unmapped later: a domain whose pages are mapped can't go. Main
    /// thread.
    void unmap_retired() { retired_.clear(); }

 private:
    XenDriver(Toolstack toolstack, EventPorts ports, GrantHandle grants, Host host, std::uint32_t instance);
    Result<void> listen();
    XenDomain* at(std::uint64_t id) const;
    Result<std::unique_ptr<Domain>> keep(Result<std::unique_ptr<XenDomain>> domain);
    void take_rings(EventSink& sink, std::size_t budget);
    void on_ring(EventPorts::Local local, EventSink& sink);
    void on_timer(EventSink& sink);
    void wake_in(std::chrono::nanoseconds delay);
    void look_for_deaths(EventSink& sink);
    template <class Visit>
    Result<void> for_each_domain(Visit visit);

    Toolstack toolstack_;
    EventPorts ports_;
    GrantHandle grants_;
    ShellBuilder builder_;
    Capabilities capabilities_;
    std::uint32_t instance_;
    base::Fd epoll_;
    base::Fd timer_;
    bool timer_armed_{false};
    std::optional<EventPorts::Local>
        exceptions_;           ///< VIRQ_DOM_EXC; none: another program has it, deaths are polled for
    std::uint32_t listed_{0};  ///< domains that the last listing found
    bool deaths_due_{false};
    std::chrono::steady_clock::time_point deaths_not_before_{};
    std::vector<EventPorts::Local> masked_;  ///< of guests that flood
    std::vector<base::Mapping> retired_;
    /// Domain objects by id. Written by the thread that makes a domain, read by the one that polls.
    std::vector<std::atomic<XenDomain*>> domains_;
};

}  // namespace hypervisor::xen
