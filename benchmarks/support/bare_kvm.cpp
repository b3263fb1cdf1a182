// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/bare_kvm.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

constexpr std::size_t memory_size = std::size_t{4} << 20;
constexpr std::uint64_t pml4_gpa = 0x1000, pdpt_gpa = 0x2000, directory_gpa = 0x3000, tables_gpa = 0x4000;
constexpr std::uint64_t task_state_gpa = 0x10000;
constexpr std::uint64_t code_gpa = 0x100000;

constexpr std::uint16_t bell_port = 0x10;
constexpr std::uint16_t exit_port = 0x14;
constexpr unsigned bells = 100;

constexpr std::array<std::uint8_t, 19> code{
    0xe7, exit_port,           // out %eax, $exit_port
    0xe7, exit_port,           // out %eax, $exit_port
    0xb9, bells,     0, 0, 0,  // mov $bells, %ecx
    0xe7, bell_port,           // 1: out %eax, $bell_port
    0xff, 0xc9,                // dec %ecx
    0x75, 0xfa,                // jnz 1b
    0xe7, exit_port,           // out %eax, $exit_port
    0x0f, 0x0b,                // ud2
};

// Intel SDM volume 3, 4.5: entries of page tables. Present, writable, for privilege level 3, accessed, dirty.
constexpr std::uint64_t page_table_bits = 0x27, page_bits = 0x67;

// Intel SDM volume 3, 8.7 and volume 1, 19.5.2: the 64-bit task state, its map of ports, and one byte of ones.
constexpr std::size_t port_map_pointer = 102;
constexpr std::size_t task_state_size = 104;
constexpr std::size_t port_map_size = 8192;
constexpr std::size_t task_state_limit = task_state_size + port_map_size;

// As the header defines them, with the size that the table has in C.
constexpr unsigned long get_supported_cpuid = _IOWR(KVMIO, 0x05, std::uint64_t);
constexpr unsigned long set_cpuid2 = _IOW(KVMIO, 0x90, std::uint64_t);

constexpr std::uint64_t cr0_pe_et_ne_wp_pg = 0x80010031;
constexpr std::uint64_t cr4_pae_osfxsr_osxmmexcpt = 0x620;
constexpr std::uint64_t efer_lme_lma_nx = 0xd00;

void write_page_tables(const base::Mapping& memory) {
    *memory.at<std::uint64_t>(pml4_gpa) = pdpt_gpa | page_table_bits;
    *memory.at<std::uint64_t>(pdpt_gpa) = directory_gpa | page_table_bits;
    for (std::uint64_t table = 0; table < memory_size >> 21; ++table) {
        memory.at<std::uint64_t>(directory_gpa)[table] = (tables_gpa + (table << 12)) | page_table_bits;
    }
    for (std::uint64_t page = 0; page < memory_size >> 12; ++page) {
        memory.at<std::uint64_t>(tables_gpa)[page] = page << 12 | page_bits;
    }
}

// Level 3 may write 32 bits to the two ports, and to no other.
void write_task_state(const base::Mapping& memory) {
    *memory.at<std::uint16_t>(task_state_gpa + port_map_pointer) = task_state_size;
    auto* const ports = memory.at<std::uint8_t>(task_state_gpa + task_state_size);
    std::fill_n(ports, port_map_size + 1, std::uint8_t{0xff});
    for (const unsigned port : {bell_port, exit_port}) {
        ports[port / 8] = static_cast<std::uint8_t>(ports[port / 8] & ~(0xf << port % 8));
    }
}

base::Result<int> call(int fd, unsigned long request, const char* what, std::uintptr_t argument = 0) {
    const int value = ::ioctl(fd, request, argument);
    if (value < 0) {
        return base::fail_errno(errno, what);
    }
    return value;
}

template <class T>
base::Result<int> call(int fd, unsigned long request, const char* what, T* argument) {
    return call(fd, request, what, reinterpret_cast<std::uintptr_t>(argument));
}

}  // namespace

base::Result<KvmHost> KvmHost::open() {
    KvmHost host;
    host.fd_ = base::Fd(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!host.fd_) {
        return base::fail_errno(errno, "open /dev/kvm");
    }
    BASE_ASSIGN(const int doorbells,
                call(host.fd(), KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", std::uintptr_t{KVM_CAP_IOEVENTFD}));
    if (doorbells == 0) {
        return base::fail(base::Code::unsupported, "this KVM has no KVM_IOEVENTFD");
    }
    BASE_ASSIGN(const int size, call(host.fd(), KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"));
    host.run_size_ = static_cast<std::size_t>(size);
    host.cpuid_ = std::make_unique<CpuidTable>();
    host.cpuid_->count = static_cast<std::uint32_t>(host.cpuid_->entries.size());
    BASE_TRY(call(host.fd(), get_supported_cpuid, "KVM_GET_SUPPORTED_CPUID", host.cpuid_.get()));
    return host;
}

base::Result<BareVm> BareVm::prepare(const KvmHost& host) {
    BareVm vm;
    BASE_ASSIGN(const int fd, call(host.fd(), KVM_CREATE_VM, "KVM_CREATE_VM"));
    vm.vm_ = base::Fd(fd);
    BASE_TRY(vm.make_memory());
    BASE_TRY(vm.make_vcpu(host));
    BASE_TRY(vm.enter_long_mode());
    vm.bell_ = base::Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!vm.bell_) {
        return base::fail_errno(errno, "eventfd");
    }
    kvm_ioeventfd doorbell{};
    doorbell.addr = bell_port;
    doorbell.len = 4;
    doorbell.fd = vm.bell_.get();
    doorbell.flags = KVM_IOEVENTFD_FLAG_PIO;
    BASE_TRY(call(vm.vm_.get(), KVM_IOEVENTFD, "KVM_IOEVENTFD", &doorbell));
    return vm;
}

base::Result<void> BareVm::make_memory() {
    const base::Fd file(::memfd_create("bare-kvm", MFD_CLOEXEC));
    if (!file || ::ftruncate(file.get(), memory_size) != 0) {
        return base::fail_errno(errno, "memfd for a virtual machine");
    }
    BASE_ASSIGN(memory_, base::Mapping::map(file.get(), 0, memory_size, base::Access::read_write));
    write_page_tables(memory_);
    write_task_state(memory_);
    std::memcpy(memory_.data() + code_gpa, code.data(), code.size());
    kvm_userspace_memory_region region{};
    region.memory_size = memory_size;
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(memory_.data());
    BASE_TRY(call(vm_.get(), KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &region));
    return {};
}

base::Result<void> BareVm::make_vcpu(const KvmHost& host) {
    BASE_ASSIGN(const int fd, call(vm_.get(), KVM_CREATE_VCPU, "KVM_CREATE_VCPU"));
    vcpu_ = base::Fd(fd);
    BASE_ASSIGN(run_, base::Mapping::map(fd, 0, host.run_size(), base::Access::read_write));
    BASE_TRY(call(fd, set_cpuid2, "KVM_SET_CPUID2", &host.cpuid()));
    return {};
}

base::Result<void> BareVm::enter_long_mode() {
    kvm_segment data{};
    data.limit = UINT32_MAX;
    data.selector = 0x2b;
    data.type = 3;  // writable, accessed
    data.present = data.s = data.g = data.db = 1;
    data.dpl = 3;
    kvm_segment text = data;
    text.selector = 0x33;
    text.type = 11;  // executable, readable, accessed
    text.l = 1;
    text.db = 0;
    kvm_segment task{};
    task.base = task_state_gpa;
    task.limit = task_state_limit;
    task.selector = 0x40;
    task.type = 11;  // 64-bit, busy
    task.present = 1;

    kvm_sregs special{};
    BASE_TRY(call(vcpu_.get(), KVM_GET_SREGS, "KVM_GET_SREGS", &special));
    special.cs = text;
    special.ds = special.es = special.fs = special.gs = special.ss = data;
    special.tr = task;
    special.gdt = special.idt = {};  // whatever faults ends the machine
    special.cr0 = cr0_pe_et_ne_wp_pg;
    special.cr3 = pml4_gpa;
    special.cr4 = cr4_pae_osfxsr_osxmmexcpt;
    special.efer = efer_lme_lma_nx;
    BASE_TRY(call(vcpu_.get(), KVM_SET_SREGS, "KVM_SET_SREGS", &special));
    kvm_regs general{};
    general.rip = code_gpa;
    general.rflags = 2;  // the bit that is always set
    BASE_TRY(call(vcpu_.get(), KVM_SET_REGS, "KVM_SET_REGS", &general));
    return {};
}

base::Result<double> BareVm::run_to_exit() {
    const auto begin = Clock::now();
    const int result = ::ioctl(vcpu_.get(), KVM_RUN, 0);
    const auto end = Clock::now();
    if (result != 0) {
        return base::fail_errno(errno, "KVM_RUN");
    }
    const auto* const run = run_.at<kvm_run>();
    if (run->exit_reason != KVM_EXIT_IO || run->io.port != exit_port) {
        return base::fail(base::Code::protocol_error,
                          "the bare virtual machine stopped for reason " + std::to_string(run->exit_reason));
    }
    return micros(begin, end);
}

base::Result<BareTimes> BareVm::run() {
    BASE_ASSIGN(const double first, run_to_exit());
    BASE_ASSIGN(const double next, run_to_exit());
    BASE_ASSIGN(const double with_bells, run_to_exit());
    std::uint64_t rung = 0;
    if (::read(bell_.get(), &rung, sizeof rung) != sizeof rung || rung != bells) {
        return base::fail(base::Code::protocol_error,
                          "of " + std::to_string(bells) + " doorbells " + std::to_string(rung) + " rang");
    }
    return BareTimes{first, next, (with_bells - next) / bells};
}

}  // namespace bench
