// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/xen_driver.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/log.hpp"
#include "base/scope_guard.hpp"
#include "hypervisor/xen/acpi_tables.hpp"
#include "hypervisor/xen/xen.hpp"
#include "hypervisor/xen/xen_domain.hpp"

namespace hypervisor::xen {

namespace {

using Clock = std::chrono::steady_clock;

/// A look at all domains costs more the more there are: it takes at most this share of the time.
constexpr int idle_per_look = 10;
/// Without VIRQ_DOM_EXC, deaths are looked for this often.
constexpr std::chrono::milliseconds death_interval{50};
/// Windows of guests that have started are unmapped when this time has passed, in one go.
constexpr std::chrono::milliseconds retire_after{20};
/// As many launches between two looks of the timer cost no allocation.
constexpr std::size_t expected_retired = 256;
/// Room for domains that came since the last listing.
constexpr unsigned more_domains = 24;

/// The runtime directory by its one true name: what tells this daemon's domains from another's.
std::string canonical(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
    return resolved ? resolved.get() : path;
}

Result<void> check_spec(const ShellSpec& spec, const Capabilities& can) {
    if (spec.memory < can.min_memory || spec.memory > can.max_memory || spec.memory.value % base::page_size != 0) {
        return base::fail(base::Code::invalid_argument, "memory of " + std::to_string(spec.memory.value) +
                                                            " bytes; expected whole pages from " +
                                                            std::to_string(can.min_memory.value >> 20) + " to " +
                                                            std::to_string(can.max_memory.value >> 20) + " MiB");
    }
    if (spec.vcpus == 0 || spec.vcpus > can.max_vcpus) {
        return base::fail(base::Code::unsupported,
                          std::to_string(spec.vcpus) + " vcpus; expected 1 to " + std::to_string(can.max_vcpus));
    }
    if (spec.kind != GuestKind::native && spec.memory.value % base::mib(1).value != 0) {
        return base::fail(base::Code::invalid_argument, "memory of " + std::to_string(spec.memory.value / 1024) +
                                                            " KiB; Xen's loader of other kernels wants whole MiB");
    }
    if (spec.kind == GuestKind::pvh && spec.vcpus > max_acpi_vcpus) {
        return base::fail(base::Code::unsupported, std::to_string(spec.vcpus) + " vcpus; a PVH kernel finds at most " +
                                                       std::to_string(max_acpi_vcpus));
    }
    if (spec.kind == GuestKind::native && spec.memory.value > abi::max_native_memory) {
        return base::fail(base::Code::invalid_argument, "memory of " + std::to_string(spec.memory.value >> 20) +
                                                            " MiB; our guests see at most " +
                                                            std::to_string(abi::max_native_memory >> 20) + " MiB");
    }
    if (spec.kind == GuestKind::native && (spec.control_pages == 0 || spec.control_pages > max_control_pages)) {
        return base::fail(
            base::Code::invalid_argument,
            std::to_string(spec.control_pages) + " devices; expected 1 to " + std::to_string(max_control_pages));
    }
    if (spec.kind == GuestKind::native && spec.spare_pages >= spec.control_pages) {
        return base::fail(base::Code::invalid_argument, "more room for later devices than there is for all");
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options) {
    return XenDriver::open(options);
}

Result<std::unique_ptr<Hypervisor>> XenDriver::open(const DriverOptions& options) {
    BASE_TRY(check_host());
    BASE_ASSIGN(auto toolstack, Toolstack::open());
    BASE_ASSIGN(auto host, describe_host(toolstack));
    BASE_ASSIGN(auto ports, EventPorts::open());
    GrantHandle grants(::xengnttab_open(library_logger(), 0));
    if (!grants) {
        return base::fail_errno(errno, "opening /dev/xen/gntdev");
    }
    std::unique_ptr<XenDriver> driver(new XenDriver(std::move(toolstack), std::move(ports), std::move(grants),
                                                    std::move(host), instance_of(canonical(options.runtime_dir))));
    BASE_TRY(driver->listen());
    return driver;
}

XenDriver::XenDriver(Toolstack toolstack, EventPorts ports, GrantHandle grants, Host host, std::uint32_t instance)
    : toolstack_(std::move(toolstack)),
      ports_(std::move(ports)),
      grants_(std::move(grants)),
      builder_(instance, host.hap),
      capabilities_(std::move(host.capabilities)),
      instance_(instance),
      domains_(base::first_reserved_domid) {
    retired_.reserve(expected_retired);
}

XenDriver::~XenDriver() = default;

Result<void> XenDriver::listen() {
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll_ || !timer_) {
        return base::fail_errno(errno, "event descriptors");
    }
    for (const int fd : {ports_.fd(), timer_.get()}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
            return base::fail_errno(errno, "epoll_ctl");
        }
    }
    if (auto bound = ports_.bind_domain_exceptions()) {
        exceptions_ = *bound;
    } else {
        capabilities_.notes.push_back("deaths of guests are looked for every " +
                                      std::to_string(death_interval.count()) + " ms: " + bound.error().message +
                                      "; stop it where xl is not needed (docs/xen.md)");
    }
    return {};
}

XenDomain* XenDriver::at(std::uint64_t id) const {
    return id < domains_.size() ? domains_[id].load(std::memory_order_acquire) : nullptr;
}

void XenDriver::forget(const XenDomain& domain) {
    if (at(domain.id().value) == &domain) {
        domains_[domain.id().value].store(nullptr, std::memory_order_release);
    }
}

Result<std::unique_ptr<Domain>> XenDriver::keep(Result<std::unique_ptr<XenDomain>> domain) {
    if (!domain) {
        return std::unexpected(std::move(domain).error());
    }
    domains_[(*domain)->id().value].store(domain->get(), std::memory_order_release);
    return std::unique_ptr<Domain>(std::move(*domain));
}

Result<std::unique_ptr<Domain>> XenDriver::create_shell(const ShellSpec& spec) {
    BASE_TRY(check_spec(spec, capabilities_));
    BASE_ASSIGN(const auto shell, builder_.build(toolstack_, spec));
    auto domain = XenDomain::fresh(*this, shell.domain, shell.tag);
    if (!domain) {
        (void)destroy_domain(toolstack_, shell.domain);
    }
    return keep(std::move(domain));
}

/// In one call where it can: each call walks Xen's whole list.
template <class Visit>
Result<void> XenDriver::for_each_domain(Visit visit) {
    std::uint32_t listed = 0;
    for (std::uint32_t first = 1; first < base::first_reserved_domid;) {
        std::vector<xc_domaininfo_t> infos(listed_ + more_domains);
        const int count =
            ::xc_domain_getinfolist(toolstack_.control(), first, static_cast<unsigned>(infos.size()), infos.data());
        if (count < 0) {
            return base::fail(xen_error(errno, "listing domains"));
        }
        infos.resize(static_cast<std::size_t>(count));
        for (const auto& info : infos) {
            visit(info);
        }
        listed += static_cast<std::uint32_t>(count);
        if (infos.size() < listed_ + more_domains) {
            break;
        }
        first = infos.back().domain + 1U;
        listed_ = std::max(listed_, listed);
    }
    listed_ = listed;
    return {};
}

Result<std::vector<std::unique_ptr<Domain>>> XenDriver::adopt() {
    std::vector<std::unique_ptr<Domain>> adopted;
    BASE_TRY(for_each_domain([&](const xc_domaininfo_t& info) {
        const auto tag = decode(info.handle);
        const bool going = (info.flags & XEN_DOMINF_dying) != 0;
        if (!tag || tag->instance != instance_ || going || info.domain >= domains_.size()) {
            return;
        }
        auto domain = keep(XenDomain::adopted(*this, base::DomId{info.domain}, *tag, info));
        if (domain) {
            adopted.push_back(std::move(*domain));
        } else {
            // A guest can give its own pages back to Xen: then nobody can serve it any more.
            base::log(base::Level::warn,
                      "domain " + std::to_string(info.domain) +
                          " of an earlier daemon can't be adopted and is destroyed: " + domain.error().message);
            (void)destroy_domain(toolstack_, base::DomId{info.domain});
        }
    }));
    if (!exceptions_) {
        wake_in(death_interval);
    }
    return adopted;
}

Result<void> XenDriver::poll(EventSink& sink, std::size_t budget) {
    std::array<epoll_event, 2> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    if (count < 0) {
        return errno == EINTR ? Result<void>() : base::fail_errno(errno, "epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
        if (events[static_cast<std::size_t>(i)].data.fd == timer_.get()) {
            on_timer(sink);
        } else {
            take_rings(sink, budget);
        }
    }
    if (!retired_.empty()) {
        wake_in(retire_after);
    }
    if (deaths_due_) {  // after the rings: a guest's last words come before its end
        look_for_deaths(sink);
    }
    return {};
}

void XenDriver::take_rings(EventSink& sink, std::size_t budget) {
    std::array<EventPorts::Local, 64> rung;
    const auto room = std::clamp<std::size_t>(budget, 1, rung.size());
    const auto taken = ports_.take(std::span(rung).first(room));
    if (!taken) {
        base::log(base::Level::error, taken.error().message);
        return;
    }
    const auto now = Clock::now();
    std::array<EventPorts::Local, 64> heard;
    std::size_t heard_count = 0;
    for (std::size_t i = 0; i < *taken; ++i) {
        const auto channel = ports_.find(rung[i]);
        auto* domain = channel ? at(channel->domain.value) : nullptr;
        if (domain != nullptr && !domain->may_ring(now)) {
            masked_.push_back(rung[i]);
            wake_in(ring_window);
        } else {
            heard[heard_count++] = rung[i];
        }
    }
    // First listen, then look: what rings in between rings again.
    ports_.listen_again(std::span(heard).first(heard_count));
    for (std::size_t i = 0; i < heard_count; ++i) {
        on_ring(heard[i], sink);
    }
}

void XenDriver::on_ring(EventPorts::Local local, EventSink& sink) {
    if (local == exceptions_) {
        deaths_due_ = true;
        return;
    }
    if (const auto channel = ports_.find(local); channel && at(channel->domain.value) != nullptr) {
        sink.on_channel(channel->domain, channel->port);
    }
}

void XenDriver::wake_in(std::chrono::nanoseconds delay) {
    if (timer_armed_) {
        return;
    }
    itimerspec when{};
    when.it_value.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(delay).count();
    when.it_value.tv_nsec = std::max<long>(1, delay.count() % std::nano::den);
    timer_armed_ = ::timerfd_settime(timer_.get(), 0, &when, nullptr) == 0;
}

void XenDriver::on_timer(EventSink& sink) {
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof expirations) < 0) {
        return;
    }
    timer_armed_ = false;
    retired_.clear();
    const auto masked = std::exchange(masked_, {});
    ports_.listen_again(masked);
    for (const auto local : masked) {
        on_ring(local, sink);
    }
    if (!exceptions_) {
        deaths_due_ = true;
        wake_in(death_interval);
    }
}

void XenDriver::retire(base::Mapping window) {
    if (window) {
        retired_.push_back(std::move(window));  // `poll` sees to it: a launch sets no timer
    }
}

void XenDriver::look_for_deaths(EventSink& sink) {
    const auto begin = Clock::now();
    if (begin < deaths_not_before_) {
        wake_in(deaths_not_before_ - begin);
        return;
    }
    deaths_due_ = false;
    std::vector<std::pair<base::DomId, Death>> found;
    const auto listed = for_each_domain([&](const xc_domaininfo_t& info) {
        auto* domain = at(info.domain);
        const bool ended = (info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)) != 0;
        if (domain != nullptr && ended && !domain->dead()) {
            found.emplace_back(domain->id(), domain->bury(info));
        }
    });
    if (!listed) {
        base::log(base::Level::error, listed.error().message);
    }
    deaths_not_before_ = Clock::now() + (Clock::now() - begin) * idle_per_look;
    for (const auto& [domain, death] : found) {
        if (at(domain.value) != nullptr) {
            sink.on_death(domain, death);
        }
    }
}

}  // namespace hypervisor::xen
