// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/hv/virtual_machine.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/kvm/hv/machine.hpp"
#include "hypervisor/kvm/hv/monitor_calls.hpp"
#include "hypervisor/kvm/hv/monitor_state.hpp"
#include "hypervisor/kvm/hv/page_tables.hpp"
#include "hypervisor/kvm/hv/stub.hpp"
#include "hypervisor/kvm/hv/thread.hpp"
#include "hypervisor/kvm/hv/time_scale.hpp"
#include "hypervisor/process/hv/child_setup.hpp"
#include "hypervisor/process/hv/domain_process.hpp"

extern "C" {
extern const std::byte chaos_kvm_monitor[];
extern const std::byte chaos_kvm_monitor_end[];
}

namespace hypervisor::kvm {

using process::ChildSpec;
using process::require;

namespace {

static_assert(abi::max_vcpus <= process::max_threads);
/// Where the doorbell of the data lane stands until KVM knows it; below what stays, so that the vCPUs get their numbers.
constexpr int data_doorbell_in_setup = 2;

static_assert(exit_unmap == process::exit_unmap && exit_filter == process::exit_filter);

/// What the monitor calls, each with the arguments that it uses.
base::Result<std::vector<std::byte>> compile_filter() {
    process::CallFilter filter(process::Otherwise::kill);
    filter.allow(nr::write, {{0, SCMP_CMP_EQ, abi::doorbell_fd, 0}, {2, SCMP_CMP_EQ, 8, 0}});
    for (const auto request : std::array<std::uint64_t, 3>{KVM_RUN, KVM_GET_REGS, KVM_GET_SREGS}) {
        filter.allow(nr::ioctl, {{0, SCMP_CMP_GE, first_vcpu_fd, 0}, {1, SCMP_CMP_EQ, request, 0}});
    }
    for (const auto operation : std::array<std::uint64_t, 2>{FUTEX_WAIT, FUTEX_WAKE}) {
        filter.allow(nr::futex, {{1, SCMP_CMP_EQ, operation, 0}});
    }
    filter.allow(nr::restart_syscall);
    filter.allow(nr::clock_gettime, {{0, SCMP_CMP_LE, 1, 0}});
    filter.allow(nr::getrandom, {{1, SCMP_CMP_LE, 256, 0}, {2, SCMP_CMP_EQ, 0, 0}});
    filter.allow(nr::exit_group);
    return filter.compile();
}

/// Everything that stays in the process, at the addresses of monitor_state.hpp. Returns guest memory from its begin on,
/// the page tables included.
std::span<std::byte> map_all(const ChildSpec& spec, const process::SealedCode& monitor) {
    process::map_shared(spec, monitor_at, monitor.size, PROT_READ | PROT_EXEC, monitor.memory.get(), 0);
    const auto guest_size = state_offset(spec.shape.memory);
    process::map_shared(spec, guest_at, guest_size, PROT_READ | PROT_WRITE, spec.memory_fd, 0);
    process::map_shared(spec, state_at, base::page_size, PROT_READ | PROT_WRITE, spec.memory_fd, guest_size);
    const std::uint64_t size = spec.shape.vcpus * stack_size;
    const auto want = reinterpret_cast<void*>(stacks_at);
    require(
        ::mmap(want, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == want,
        spec, "stacks of the monitor");
    return {reinterpret_cast<std::byte*>(guest_at), guest_size};
}

void touch_what_every_guest_touches(const ChildSpec& spec) {
    const auto touch = [](std::uint64_t from, std::uint64_t to) {
        process::touch_early(guest_at + from, guest_at + to, MADV_POPULATE_WRITE);
    };
    touch(abi::stub_gpa, abi::read_only_end);
    touch(abi::event_page_gpa, spec.shape.early_end());
    touch(abi::grant_table_gpa, abi::grant_table_gpa + base::page_size);
    touch(abi::warm_stack_gpa, abi::warm_stack_end);
    touch(abi::warm_image_gpa, abi::warm_image_end);
}

void fill_guest(const ChildSpec& spec, std::span<std::byte> guest) {
    const auto stub = stub_bytes();
    std::memcpy(guest.data() + abi::stub_gpa, stub.data(), stub.size());
    write_page_tables(guest.subspan(spec.shape.memory), spec.shape.memory, spec.shape.control_pages);
    auto& page = *reinterpret_cast<abi::MachinePage*>(guest.data() + abi::machine_page_gpa);
    page.vcpu_count = spec.shape.vcpus;
    reinterpret_cast<abi::EventPage*>(guest.data() + abi::event_page_gpa)->data_doorbell = spec.shape.data_lane ? 1 : 0;
}

/// Ends the child unless `result` holds something.
template <class T>
T take(base::Result<T> result, const ChildSpec& spec) {
    if (!result) {
        process::give_up(spec, result.error());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

Machine make_machine(const ChildSpec& spec, const Host& host, std::span<std::byte> guest) {
    auto machine = take(Machine::create(process::reserved_device_slot, guest.subspan(abi::stub_gpa)), spec);
    const auto root = spec.shape.memory;
    take(machine.add_vcpu(host, root, abi::stub_gpa, spec.shape.early_end()), spec);
    for (unsigned vcpu = 1; vcpu < spec.shape.vcpus; ++vcpu) {
        take(machine.add_vcpu(host, root, abi::stub_gpa + stub_vcpu_offset(), vcpu), spec);
    }
    take(machine.bind_doorbell(abi::port_doorbell, abi::doorbell_fd), spec);
    if (spec.shape.data_lane) {
        take(machine.bind_doorbell(abi::port_data_doorbell, data_doorbell_in_setup), spec);
    }
    auto& page = *reinterpret_cast<abi::MachinePage*>(guest.data() + abi::machine_page_gpa);
    const auto scale = time_scale(take(machine.tsc_khz(), spec));
    page.time.tsc_to_system_mul = scale.mul;
    page.time.tsc_shift = scale.shift;
    return machine;
}

/// The vCPUs stay at first_vcpu_fd and up, where they were made; the rest is closed. KVM keeps a machine for as long as
/// it has vCPUs.
void keep_vcpus(const ChildSpec& spec, const Host& host, const Machine& machine) {
    for (unsigned vcpu = 0; vcpu < spec.shape.vcpus; ++vcpu) {
        const int fd = first_vcpu_fd + static_cast<int>(vcpu);
        errno = EBADF;
        require(machine.vcpu(vcpu) == fd, spec, "the numbers of its vCPUs");
        const auto want = reinterpret_cast<void*>(runs_at + std::uint64_t{vcpu} * host.run_size);
        require(::mmap(want, host.run_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == want,
                spec, "memory of its vCPUs");
    }
    require(::close_range(0, abi::doorbell_fd - 1, 0) == 0 &&
                ::close_range(abi::doorbell_fd + 1, first_vcpu_fd - 1, 0) == 0,
            spec, "its descriptors");
}

/// Enters KVM_RUN and comes back before any instruction. Since Linux 6.14 the first run of a machine makes a thread
/// (kvm-nx-lpage-recovery), which RLIMIT_NPROC would not allow a user other than root afterwards.
void first_run(const ChildSpec& spec) {
    auto& run = *reinterpret_cast<kvm_run*>(runs_at);
    run.immediate_exit = 1;
    const int result = ::ioctl(first_vcpu_fd, KVM_RUN, 0);
    require(result < 0 && errno == EINTR, spec,
            errno == EAGAIN ? "KVM_RUN (limits: RLIMIT_NPROC, kernel.threads-max)" : "KVM_RUN");
    run.immediate_exit = 0;
}

void start_threads(const ChildSpec& spec) {
    spec.report->thread_count = spec.shape.vcpus - 1;
    for (unsigned vcpu = 1; vcpu < spec.shape.vcpus; ++vcpu) {
        const auto stack = stacks_at + (vcpu + 1) * stack_size;
        const long thread = start_thread(monitor_vcpu_at, vcpu, stack, spec.report->threads[vcpu - 1]);
        errno = static_cast<int>(-thread);
        require(thread > 0, spec, "the threads of its vCPUs (limits: RLIMIT_NPROC, kernel.threads-max)");
    }
}

}  // namespace

base::Result<std::unique_ptr<process::DomainKind>> VirtualMachine::open() {
    BASE_ASSIGN(auto host, open_host());
    if (std::uint64_t{host.run_size} * host.max_vcpus > guest_at - runs_at) {
        return base::fail(base::Code::unsupported, "this host's KVM wants " + std::to_string(host.run_size) +
                                                       " bytes for each vCPU, more than there is room for");
    }
    // At a number of its own, where every child finds it.
    if (::dup3(host.device.get(), process::reserved_device_slot, O_CLOEXEC) < 0) {
        return base::fail_errno(errno, "/dev/kvm");
    }
    BASE_ASSIGN(const auto filter, compile_filter());
    BASE_ASSIGN(auto monitor, process::seal_code({chaos_kvm_monitor, chaos_kvm_monitor_end}, filter, nullptr));
    if (monitor.size > state_at - monitor_at) {
        return base::fail(base::Code::internal, "the monitor does not fit into its pages");
    }
    return std::unique_ptr<process::DomainKind>(new VirtualMachine(std::move(host), std::move(monitor)));
}

std::uint64_t VirtualMachine::extra_memory(const process::DomainShape& shape) const {
    return state_offset(shape.memory) + base::page_size - shape.memory;
}

void VirtualMachine::become(const ChildSpec& spec) const {
    process::belong_to_parent(spec);
    errno = EINVAL;
    require(spec.shape.memory <= abi::max_memory, spec, "more memory than its page tables reach");
    const auto guest = map_all(spec, monitor_);
    process::keep_reserved_descriptors(spec, data_doorbell_in_setup);
    touch_what_every_guest_touches(spec);
    fill_guest(spec, guest);
    const auto machine = make_machine(spec, host_, guest);
    keep_vcpus(spec, host_, machine);
    auto& state = *reinterpret_cast<MonitorState*>(state_at);
    state.vcpus = spec.shape.vcpus;
    state.run_size = host_.run_size;
    state.filter = monitor_at + monitor_.filter_at;
    state.filter_count = monitor_.filter_size / sizeof(std::uint64_t);
    first_run(spec);
    start_threads(spec);
    process::lower_limits(spec, first_vcpu_fd + spec.shape.vcpus);
    process::leave_for(spec, monitor_main_at, guest_at + guest.size());
}

}  // namespace hypervisor::kvm
