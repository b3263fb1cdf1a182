// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/process_driver.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "hypervisor/process/host_usage.hpp"
#include "hypervisor/process/process_abi.hpp"
#include "hypervisor/process/process_domain.hpp"

namespace hypervisor::process {

namespace {

// epoll data above every domain id
constexpr std::uint64_t tag_events = 1U << 16;
constexpr std::uint64_t tag_silence = tag_events + 1;

std::string own_folder() {
    std::string path(4096, '\0');
    const auto size = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

Capabilities describe_driver(const Reply& hello, const Variant& variant) {
    Capabilities c;
    c.name = driver_name(variant.kind);
    c.version = "chaos-hv protocol " + std::to_string(hello.arg);
    c.isolation = variant.isolation;
    c.max_vcpus = hello.vcpus;
    c.min_memory = base::mib(2);
    c.max_memory = std::min(host_memory(), variant.max_memory);
    const auto limit = domain_limit(hello.limit, variant.tasks_per_domain);
    c.max_domains = limit.domains;
    c.max_domains_limit = limit.because;
    if (hello.text[0] != '\0') {
        c.notes.emplace_back(hello.text, ::strnlen(hello.text, sizeof hello.text));
    }
    return c;
}

Result<void> check_spec(const ShellSpec& spec, const Capabilities& can) {
    const auto mib = [](base::Bytes b) { return std::to_string(b.value >> 20) + " MiB"; };
    if (spec.memory < can.min_memory || spec.memory > can.max_memory || spec.memory.value % base::page_size != 0) {
        return base::fail(base::Code::invalid_argument, "memory of " + std::to_string(spec.memory.value) +
                                                            " bytes; expected whole pages from " + mib(can.min_memory) +
                                                            " to " + mib(can.max_memory) + ", this host's memory");
    }
    if (spec.vcpus == 0 || spec.vcpus > can.max_vcpus) {
        return base::fail(base::Code::unsupported,
                          std::to_string(spec.vcpus) + " vcpus; the " + can.name + " driver runs 1" +
                              (can.max_vcpus == 1 ? "" : " to " + std::to_string(can.max_vcpus)));
    }
    if (spec.control_pages == 0 || spec.control_pages > max_control_pages) {
        return base::fail(
            base::Code::invalid_argument,
            std::to_string(spec.control_pages) + " devices; expected 1 to " + std::to_string(max_control_pages));
    }
    if (spec.spare_pages >= spec.control_pages) {
        return base::fail(base::Code::invalid_argument, "more room for later devices than there is for all");
    }
    return {};
}

Result<HvClient> connect_or_start(const DriverOptions& options, const std::string& socket, Kind kind, Reply& hello) {
    auto running = HvClient::connect(socket, kind, hello);
    if (running || (running.error().code != base::Code::unavailable && running.error().code != base::Code::not_found)) {
        return running;
    }
    const auto folder = options.helper_dir.empty() ? own_folder() : options.helper_dir;
    BASE_TRY(HvClient::start(folder + "/chaos-hv", socket, options.runtime_dir + "/chaos-hv.log"));
    return HvClient::connect(socket, kind, hello);
}

}  // namespace

std::string_view driver_name(Kind kind) {
    switch (kind) {
        case Kind::process: return "process";
        case Kind::kvm: return "kvm";
    }
    return "unknown";
}

Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options) {
    return ProcessDriver::open(
        options,
        {Kind::process, "process isolation: a guest is a process with five system calls; not hardware isolation"});
}

Result<std::unique_ptr<Hypervisor>> ProcessDriver::open(const DriverOptions& options, const Variant& variant) {
    const auto socket = options.runtime_dir + "/" + socket_name;
    Reply hello{};
    BASE_ASSIGN(auto control, connect_or_start(options, socket, variant.kind, hello));
    BASE_ASSIGN(auto prepare, HvClient::connect(socket, variant.kind, hello));
    BASE_ASSIGN(auto events, HvClient::connect(socket, variant.kind, hello));
    std::unique_ptr<ProcessDriver> driver(
        new ProcessDriver({std::move(control), std::move(prepare), std::move(events)}, hello, variant));
    BASE_TRY(driver->listen());
    return driver;
}

ProcessDriver::ProcessDriver(Connections connections, const Reply& hello, const Variant& variant)
    : control_(std::move(connections.control)),
      prepare_(std::move(connections.prepare)),
      events_(std::move(connections.events)),
      kind_(variant.kind),
      capabilities_(describe_driver(hello, variant)),
      oom_kills_(oom_kills()),
      domains_(base::first_reserved_domid) {
    CPU_ZERO(&processors_);
    ::sched_getaffinity(0, sizeof processors_, &processors_);
}

Result<void> ProcessDriver::listen() {
    base::grow_descriptor_table(descriptors_of_all_domains);
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    silence_timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll_ || !silence_timer_) {
        return base::fail_errno(errno, "event descriptors");
    }
    for (const auto& [fd, tag] : {std::pair{events_.fd(), tag_events}, {silence_timer_.get(), tag_silence}}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = tag;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
            return base::fail_errno(errno, "epoll_ctl");
        }
    }
    return {};
}

ProcessDomain* ProcessDriver::at(std::uint64_t id) const {
    return id < domains_.size() ? domains_[id].load(std::memory_order_acquire) : nullptr;
}

bool ProcessDriver::knows(base::DomId domain) const {
    return at(domain.value) != nullptr;
}

Result<void> ProcessDriver::watch(ProcessDomain& domain) {
    domains_[domain.id().value].store(&domain, std::memory_order_release);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // edges: the counter need never be read
    event.data.u64 = domain.id().value;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, domain.doorbell(), &event) != 0) {
        return base::fail_errno(errno, "listening to a doorbell");
    }
    return {};
}

void ProcessDriver::unwatch(const ProcessDomain& domain) {
    if (at(domain.id().value) == &domain) {
        domains_[domain.id().value].store(nullptr, std::memory_order_release);
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, domain.doorbell(), nullptr);
    }
}

Result<std::unique_ptr<Domain>> ProcessDriver::take(DomainHandles handles) {
    const auto id = handles.record.domain;
    if (id == 0 || id >= domains_.size() || at(id) != nullptr) {
        return base::fail(base::Code::protocol_error, "chaos-hv handed over a domain with a wrong id");
    }
    auto domain = ProcessDomain::open(*this, std::move(handles));
    if (domain) {
        if (auto watched = watch(**domain); watched) {
            return std::unique_ptr<Domain>(std::move(*domain));
        } else {
            return std::unexpected(std::move(watched).error());
        }
    }
    return std::unexpected(std::move(domain).error());
}

Result<std::unique_ptr<Domain>> ProcessDriver::create_shell(const ShellSpec& spec) {
    BASE_TRY(check_spec(spec, capabilities_));
    Request request{};
    request.op = Op::create;
    request.memory = spec.memory.value;
    request.vcpus = static_cast<std::uint16_t>(spec.vcpus);
    request.control_pages = static_cast<std::uint16_t>(spec.control_pages);
    request.spare_pages = static_cast<std::uint8_t>(spec.spare_pages);
    request.data_lane = spec.data_lane ? 1 : 0;
    request.kind = kind_;
    // The main thread must not wait for the refill, which runs at a lower priority.
    auto made = prepare_.try_call(request);
    BASE_ASSIGN(auto handles, made ? std::move(*made) : control_.call(request));
    const auto id = handles.record.domain;
    auto domain = take(std::move(handles));
    if (!domain) {
        request.op = Op::destroy;
        request.domain = id;
        (void)prepare_.call(request);
    }
    return domain;
}

Result<std::vector<std::unique_ptr<Domain>>> ProcessDriver::adopt() {
    Request request{};
    request.op = Op::list;
    BASE_TRY(control_.send(request));
    std::vector<std::unique_ptr<Domain>> adopted;
    for (;;) {
        BASE_ASSIGN(auto handles, control_.receive(true));
        if (handles.record.domain == 0) {
            break;
        }
        BASE_ASSIGN(auto domain, take(std::move(handles)));
        adopted.push_back(std::move(domain));
    }
    request.op = Op::subscribe;
    BASE_TRY(events_.send(request));
    return adopted;
}

Result<void> ProcessDriver::request(Op op, base::DomId domain, std::uint64_t arg) {
    Request request{};
    request.op = op;
    request.domain = domain.value;
    request.arg = arg;
    auto answer = control_.call(request);
    if (!answer) {
        return std::unexpected(std::move(answer).error());
    }
    return {};
}

Result<void> ProcessDriver::poll(EventSink& sink, std::size_t budget) {
    std::array<epoll_event, 64> events;
    const int room = static_cast<int>(std::clamp<std::size_t>(budget, 1, events.size()));
    const int count = ::epoll_wait(epoll_.get(), events.data(), room, 0);
    if (count < 0) {
        return errno == EINTR ? Result<void>() : base::fail_errno(errno, "epoll_wait");
    }
    const auto now = std::chrono::steady_clock::now();
    bool deaths = false;
    for (int i = 0; i < count; ++i) {
        const auto tag = events[static_cast<std::size_t>(i)].data.u64;
        if (tag == tag_events) {
            deaths = true;  // after the doorbells: a guest's last words come before its end
        } else if (tag == tag_silence) {
            end_silence(sink);
        } else if (auto* domain = at(tag)) {
            on_doorbell(*domain, sink, now);
        }
    }
    return deaths && !lost_ ? take_deaths(sink, budget) : Result<void>();
}

void ProcessDriver::on_doorbell(ProcessDomain& domain, EventSink& sink, std::chrono::steady_clock::time_point now) {
    if (!domain.may_ring(now) && silence(domain)) {
        return;
    }
    domain.deliver(sink);
}

Result<void> ProcessDriver::silence(ProcessDomain& domain) {
    epoll_event nothing{};
    nothing.data.u64 = domain.id().value;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, domain.doorbell(), &nothing) != 0) {
        return base::fail_errno(errno, "epoll_ctl");
    }
    if (silenced_.empty()) {
        itimerspec when{};
        when.it_value.tv_nsec = std::chrono::nanoseconds(ring_window).count();
        ::timerfd_settime(silence_timer_.get(), 0, &when, nullptr);
    }
    silenced_.push_back(domain.id().value);
    return {};
}

void ProcessDriver::end_silence(EventSink& sink) {
    std::uint64_t expirations = 0;
    if (::read(silence_timer_.get(), &expirations, sizeof expirations) < 0) {
        return;
    }
    for (const auto id : std::exchange(silenced_, {})) {
        auto* domain = at(id);
        if (domain == nullptr) {
            continue;
        }
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = id;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, domain->doorbell(), &event);
        domain->deliver(sink);
    }
}

Result<void> ProcessDriver::take_deaths(EventSink& sink, std::size_t budget) {
    for (; budget > 0; --budget) {
        auto message = events_.receive(false);
        if (!message && message.error().sys_errno == EAGAIN) {
            return {};
        }
        if (!message) {
            lost_ = true;
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, events_.fd(), nullptr);
            sink.on_lost(message.error());
            return {};
        }
        auto* domain = at(message->record.domain);
        if (message->record.op != Op::death || domain == nullptr) {
            continue;
        }
        auto death = death_of(message->record);
        if (death.kind == DeathKind::killed) {
            const auto kills = oom_kills();
            death.kind = kills > oom_kills_ ? DeathKind::out_of_memory : death.kind;
            oom_kills_ = kills;
        }
        domain->set_death(death);
        const auto id = domain->id();
        domain->deliver(sink);
        if (knows(id)) {
            sink.on_death(id, death);
        }
    }
    return {};
}

}  // namespace hypervisor::process
