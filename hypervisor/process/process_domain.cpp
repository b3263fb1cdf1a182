// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/process_domain.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/hvm_start_info.hpp"
#include "hypervisor/process/host_usage.hpp"
#include "hypervisor/process/process_driver.hpp"
#include "hypervisor/process/process_lane.hpp"
#include "hypervisor/start_info.hpp"

namespace hypervisor::process {

namespace {

Layout layout_of(const Reply& record) {
    return {base::Bytes{record.memory}, base::gfn_of(abi::device_page_gpa), base::gfn_of(abi::control_gpa),
            record.control_pages};
}

/// Event page and control pages; those that every guest uses are given now (from Linux 5.14 on: else when they are
/// touched).
Result<base::Mapping> map_window(const DomainHandles& handles) {
    const auto& record = handles.record;
    const auto size = (1U + record.control_pages) * base::page_size;
    const auto populate = record.spare_pages == 0 ? base::Populate::now : base::Populate::on_touch;
    BASE_ASSIGN(auto window, base::Mapping::map(handles.memory.get(), abi::event_page_gpa, size,
                                                base::Access::read_write, populate));
    if (record.spare_pages != 0) {
        ::madvise(window.data(), size - record.spare_pages * base::page_size, MADV_POPULATE_WRITE);
    }
    return window;
}

}  // namespace

Death death_of(const Reply& reply) {
    const auto& record = reply.death;
    Death death{static_cast<DeathKind>(record.kind), record.code, record.signal, record.address, record.registers.rip};
    if (const auto& r = record.registers; r.rflags != 0) {  // bit 1 is always set
        death.registers = Registers{r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
                                    r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags};
    }
    if (record.dead != 0) {
        death.cause.assign(reply.text, ::strnlen(reply.text, sizeof reply.text));
    }
    return death;
}

Result<std::unique_ptr<ProcessDomain>> ProcessDomain::open(ProcessDriver& driver, DomainHandles handles) {
    if (!handles.memory || !handles.doorbell || handles.record.control_pages > max_control_pages ||
        handles.record.spare_pages > handles.record.control_pages ||
        (handles.record.data_lane != 0) != bool(handles.data_doorbell)) {
        return base::fail(base::Code::protocol_error, "chaos-hv handed over an incomplete domain");
    }
    BASE_ASSIGN(auto window, map_window(handles));
    return std::unique_ptr<ProcessDomain>(new ProcessDomain(driver, std::move(handles), std::move(window)));
}

ProcessDomain::ProcessDomain(ProcessDriver& driver, DomainHandles handles, base::Mapping window)
    : Domain(base::DomId{static_cast<std::uint16_t>(handles.record.domain)}, layout_of(handles.record)),
      driver_(driver),
      memory_(std::move(handles.memory)),
      doorbell_(std::move(handles.doorbell)),
      data_doorbell_(handles.data_doorbell ? std::make_shared<const base::Fd>(std::move(handles.data_doorbell))
                                           : nullptr),
      lane_open_(std::make_shared<std::atomic<bool>>(false)),
      window_(std::move(window)),
      kind_(handles.record.kind),
      pid_(handles.record.pid),
      paused_(handles.record.paused != 0),
      dead_(handles.record.death.dead != 0),
      death_(process::death_of(handles.record)) {}

ProcessDomain::~ProcessDomain() {
    driver_.unwatch(*this);
}

Result<base::EvtchnPort> ProcessDomain::open_channel() {
    if (next_port_ >= abi::data_port) {
        return base::fail(base::Code::limit_reached, "a domain has at most " + std::to_string(abi::data_port - 1) +
                                                         " event channels beside its data lane");
    }
    return base::EvtchnPort{next_port_++};
}

Result<void> ProcessDomain::seed_grant(base::GrantRef ref, base::DomId backend, base::Gfn frame) {
    if (ref.value >= abi::grant_entries || frame.value >= base::gfn_of(layout_.memory.value).value) {
        return base::fail(base::Code::invalid_argument, "grant outside the table or the domain");
    }
    const base::GrantEntryV1 entry{base::grant_permit_access, backend.value, static_cast<std::uint32_t>(frame.value)};
    return write(abi::grant_table_gpa + ref.value * sizeof entry, std::as_bytes(std::span(&entry, 1)));
}

Result<std::unique_ptr<DataLane>> ProcessDomain::open_data_lane(std::optional<base::EvtchnPort> left) {
    if (left && left->value != abi::data_port) {
        return base::fail(base::Code::invalid_argument, "no data lane has that event channel");
    }
    if (!memory_) {
        return base::fail(base::Code::bad_state, "the domain is destroyed");
    }
    auto doorbell = data_doorbell_;
    if (!doorbell) {  // its own descriptor of the shared one: both listeners hear every ring
        doorbell = std::make_shared<const base::Fd>(::fcntl(doorbell_.get(), F_DUPFD_CLOEXEC, 0));
        if (!*doorbell) {
            return base::fail_errno(errno, "doorbell of a data lane");
        }
    }
    BASE_ASSIGN(auto memory, base::Mapping::map(memory_.get(), 0, layout_.memory.value, base::Access::read_write));
    if (lane_open_->exchange(true, std::memory_order_acq_rel)) {
        return base::fail(base::Code::bad_state, "the domain has a data lane already");
    }
    return std::make_unique<ProcessLane>(
        id_, ProcessLane::Parts{std::move(memory), grantable(), std::move(doorbell), lane_open_});
}

GrantablePages ProcessDomain::grantable() const {
    return {layout_.memory.value, abi::control_gpa + layout_.control_pages * base::page_size};
}

Result<void> ProcessDomain::write(std::uint64_t gpa, std::span<const std::byte> bytes) {
    if (bytes.size() > layout_.memory.value || gpa > layout_.memory.value - bytes.size()) {
        return base::fail(base::Code::invalid_argument, "write outside the domain");
    }
    while (!bytes.empty()) {
        const auto done = ::pwrite(memory_.get(), bytes.data(), bytes.size(), static_cast<off_t>(gpa));
        if (done < 0 && errno != EINTR) {
            return base::fail_errno(errno, "writing guest memory");
        }
        const auto step = static_cast<std::size_t>(done < 0 ? 0 : done);
        bytes = bytes.subspan(step);
        gpa += step;
    }
    return {};
}

Result<base::Mapping> ProcessDomain::map_pages(base::Gfn first, std::size_t count) {
    const auto pages = base::gfn_of(layout_.memory.value).value;
    if (count == 0 || count > pages || first.value > pages - count) {
        return base::fail(base::Code::invalid_argument, "pages outside the domain");
    }
    return map(base::gpa_of(first), count * base::page_size, base::Access::read_write);
}

Result<base::Mapping> ProcessDomain::map_grant(base::GrantRef ref, base::DomId backend, base::Access access) {
    if (ref.value >= abi::grant_entries) {
        return base::fail(base::Code::protocol_error, "grant reference outside the guest's table");
    }
    base::GrantEntryV1 entry{};
    const auto at = static_cast<off_t>(abi::grant_table_gpa + ref.value * sizeof entry);
    if (::pread(memory_.get(), &entry, sizeof entry, at) != sizeof entry) {
        return base::fail_errno(errno, "reading the guest's grant table");
    }
    const auto gpa = granted_page(entry, backend, access, grantable());
    if (!gpa) {
        return base::fail(base::Code::permission_denied, "the guest has not granted that page");
    }
    return map(*gpa, base::page_size, access);
}

/// The control pages are in the window already: one mapping a domain keeps thousands of them under vm.max_map_count.
Result<base::Mapping> ProcessDomain::map(std::uint64_t gpa, std::size_t size, base::Access access) {
    const auto in_window = gpa - abi::event_page_gpa;
    if (gpa >= abi::control_gpa && in_window < window_.size() && size <= window_.size() - in_window) {
        return base::Mapping::view(window_.data() + in_window, size);
    }
    return base::Mapping::map(memory_.get(), gpa, size, access);
}

Result<std::uint64_t> ProcessDomain::place_ramdisk(const Image& image, std::span<const std::byte> ramdisk) {
    const auto size = (ramdisk.size() + base::page_size - 1) & ~(base::page_size - 1);
    if (size > layout_.memory.value || layout_.memory.value - size < image.end_gpa) {
        return base::fail(base::Code::invalid_image, "ramdisk of " + std::to_string(ramdisk.size()) +
                                                         " bytes does not fit behind the image into " +
                                                         std::to_string(layout_.memory.value) + " bytes of memory");
    }
    const auto gpa = layout_.memory.value - size;
    BASE_TRY(write(gpa, ramdisk));
    return gpa;
}

Result<void> ProcessDomain::write_start_info(const BootParams& params, std::uint64_t ramdisk_gpa) {
    const std::array<base::HvmMemmapEntry, 2> memmap{
        {{abi::trampoline_gpa, abi::grant_table_end - abi::trampoline_gpa, base::memmap_reserved, 0},
         {abi::ram_gpa, layout_.memory.value - abi::ram_gpa, base::memmap_ram, 0}}};
    const StartInfoSpec spec{params.cmdline, abi::device_page_gpa, ramdisk_gpa, params.ramdisk.size(), memmap};
    alignas(8) std::array<std::byte, base::page_size> page;
    BASE_ASSIGN(const auto used, render_start_info(page, abi::start_info_gpa, spec));
    return write(abi::start_info_gpa, std::span(page).first(used));
}

Result<void> ProcessDomain::load(const Image& image, const BootParams& params) {
    if (phase() != Phase::shell) {
        return base::fail(base::Code::bad_state, "the domain has an image already");
    }
    if (image.entry64 == 0) {
        return base::fail(base::Code::invalid_image,
                          "the image has no 64-bit entry (ELF note \"noxs\"), which the drivers process and kvm need");
    }
    if (image.load_gpa < abi::ram_gpa || image.end_gpa > layout_.memory.value) {
        return base::fail(base::Code::invalid_image, "the image does not fit into the domain's memory");
    }
    std::uint64_t ramdisk_gpa = 0;
    if (!params.ramdisk.empty()) {
        BASE_ASSIGN(ramdisk_gpa, place_ramdisk(image, params.ramdisk));
    }
    BASE_TRY(write(image.load_gpa, image.bytes));
    BASE_TRY(write_start_info(params, ramdisk_gpa));
    auto& page = event_page();
    page.entry = image.entry64;
    page.start_info = abi::start_info_gpa;
    shared(page.boot).store(abi::boot_loaded, std::memory_order_release);
    return {};
}

/// A processor that sleeps takes tens of microseconds to wake up, more on a virtual machine; this one is awake, and about
/// to have nothing to do. The mask is widened again before the guest has run: it binds nothing afterwards.
void ProcessDomain::wake_on_this_processor() const {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &here);
    const bool moved = ::sched_setaffinity(pid_, sizeof here, &here) == 0;
    wake(event_page());
    if (moved) {
        ::sched_setaffinity(pid_, sizeof(cpu_set_t), &driver_.processors());
    }
}

Result<void> ProcessDomain::start(Caller caller) {
    if (phase() == Phase::shell || dead_) {
        return base::fail(base::Code::bad_state, "the domain has no image, or has ended");
    }
    shared(event_page().boot).store(abi::boot_go, std::memory_order_release);
    if (caller == Caller::waits && !bound_) {
        wake_on_this_processor();
    } else {
        wake(event_page());
    }
    return {};
}

Result<void> ProcessDomain::notify(base::EvtchnPort port) {
    if (port.value == 0 || port.value >= abi::max_ports) {
        return base::fail(base::Code::invalid_argument, "no such event channel");
    }
    ring_guest(event_page(), port);
    return {};
}

void ProcessDomain::deliver(EventSink& sink) {
    auto& page = event_page();
    std::array<std::uint64_t, 2> pending{};
    const std::size_t mine = lane_open_->load(std::memory_order_acquire) ? abi::data_port / 64 : pending.size();
    for (std::size_t i = 0; i < mine; ++i) {
        pending[i] = shared(page.to_host[i]).exchange(0, std::memory_order_acq_rel);
    }
    // From here on `this` may be destroyed by a handler: only locals are used.
    const auto domain = id_;
    auto& driver = driver_;
    for (std::size_t i = 0; i < pending.size(); ++i) {
        for (auto bits = pending[i]; bits != 0 && driver.knows(domain); bits &= bits - 1) {
            const auto port = static_cast<std::uint32_t>(i * 64) + static_cast<std::uint32_t>(std::countr_zero(bits));
            sink.on_channel(domain, base::EvtchnPort{port});
        }
    }
}

void ProcessDomain::set_death(const Death& death) {
    dead_ = true;
    death_ = death;
}

Phase ProcessDomain::phase() const {
    switch (shared(event_page().boot).load(std::memory_order_acquire)) {
        case abi::boot_parked: return Phase::shell;
        case abi::boot_loaded: return Phase::loaded;
        default: return Phase::started;
    }
}

Result<void> ProcessDomain::pause() {
    BASE_TRY(driver_.request(Op::pause, id_));
    paused_ = true;
    return {};
}

Result<void> ProcessDomain::unpause() {
    BASE_TRY(driver_.request(Op::unpause, id_));
    paused_ = false;
    return {};
}

Result<void> ProcessDomain::set_affinity(std::uint64_t cpus) {
    BASE_TRY(driver_.request(Op::affinity, id_, cpus));
    bound_ = true;
    return {};
}

Result<void> ProcessDomain::destroy() {
    if (destroyed_) {
        return {};
    }
    driver_.unwatch(*this);
    window_ = {};
    memory_.reset();
    doorbell_.reset();
    data_doorbell_.reset();
    const auto done = driver_.request(Op::destroy, id_);
    if (!done && done.error().sys_errno != ESRCH) {
        return done;
    }
    destroyed_ = true;
    return {};
}

Result<DomainInfo> ProcessDomain::info(Detail detail) {
    if (destroyed_ || !window_) {
        return base::fail(base::Code::bad_state, "the domain is destroyed");
    }
    DomainInfo info;
    info.driver = driver_name(kind_);
    info.phase = dead_ ? Phase::dead : phase();
    info.paused = paused_;
    info.blocked = !dead_ && shared(event_page().blocked).load(std::memory_order_relaxed) != 0;
    info.host_pid = dead_ ? 0 : pid_;
    info.death = death_;
    if (detail == Detail::full && !dead_) {
        const auto usage = usage_of_process(pid_);
        info.cpu_time_us = usage.cpu_time_us;
        info.resident = usage.resident;
    }
    return info;
}

}  // namespace hypervisor::process
