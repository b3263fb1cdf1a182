// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/hv/machine.hpp"

#include <sys/ioctl.h>

#include <cerrno>

#include "base/ids.hpp"
#include "hypervisor/kvm/hv/stub.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"

namespace hypervisor::kvm {

namespace {

// Intel SDM volume 3: control registers 2.5, EFER 2.2.1, flags 2.3, segment types 3.4.5 and 8.2
constexpr std::uint64_t cr0_pe_mp_et_ne_wp_pg = 0x80010033;
constexpr std::uint64_t efer_lme_lma_nxe = 1 << 8 | 1 << 10 | 1 << 11;
constexpr std::uint64_t rflags_fixed = 1 << 1;
constexpr std::uint8_t type_code = 11, type_data = 3, type_busy_task = 11;

kvm_segment segment(std::uint16_t selector, std::uint8_t type) {
    kvm_segment s{};
    s.limit = UINT32_MAX;
    s.selector = selector;
    s.type = type;
    s.present = 1;
    s.dpl = 3;
    s.s = 1;
    s.g = 1;
    s.l = type == type_code ? 1 : 0;
    s.db = type == type_code ? 0 : 1;
    return s;
}

void enter_user_mode(kvm_sregs& s, std::uint64_t cr4, std::uint64_t page_tables) {
    s.cr0 = cr0_pe_mp_et_ne_wp_pg;
    s.cr3 = page_tables;
    s.cr4 = cr4;
    s.efer = efer_lme_lma_nxe;
    s.cs = segment(0x33, type_code);
    s.ds = s.es = s.fs = s.gs = s.ss = segment(0x2b, type_data);
    s.tr = {};
    s.tr.base = abi::stub_gpa + stub_task_offset();
    s.tr.limit = static_cast<std::uint32_t>(stub_task_size() - 1);
    s.tr.selector = 0x40;
    s.tr.type = type_busy_task;
    s.tr.present = 1;
    s.ldt = {};
    s.ldt.unusable = 1;
    s.idt = {};  // no handler for anything
    s.gdt = {};
}

base::Result<void> set_registers(int vcpu, std::uint64_t entry, std::uint64_t rbx) {
    kvm_regs r{};
    r.rip = entry;
    r.rbx = rbx;
    r.rflags = rflags_fixed;
    if (::ioctl(vcpu, KVM_SET_REGS, &r) != 0) {
        return base::fail_errno(errno, "KVM_SET_REGS");
    }
    return {};
}

base::Result<void> set_extended_state(int vcpu, std::uint64_t xcr0) {
    if (xcr0 == 0) {
        return {};
    }
    kvm_xcrs x{};
    x.nr_xcrs = 1;
    x.xcrs[0].value = xcr0;
    if (::ioctl(vcpu, KVM_SET_XCRS, &x) != 0) {
        return base::fail_errno(errno, "KVM_SET_XCRS");
    }
    return {};
}

}  // namespace

base::Result<Machine> Machine::create(int kvm_device, std::span<std::byte> memory) {
    Machine machine;
    machine.memory_ = memory;
    do {
        machine.vm_.reset(::ioctl(kvm_device, KVM_CREATE_VM, 0));
    } while (!machine.vm_ && errno == EINTR);
    if (!machine.vm_) {
        return base::fail_errno(errno, "KVM_CREATE_VM");
    }
    BASE_TRY(machine.move_private_page());
    BASE_TRY(machine.set_memory(DirtyLog::off));
    return machine;
}

/// On Intel's processors without "unrestricted guest" KVM keeps a page for real mode in the guest's memory, below 4 GiB
/// unless told otherwise. No guest of ours is ever in real mode, and some have RAM there.
base::Result<void> Machine::move_private_page() const {
    constexpr std::uint64_t usual = 0xfffbc000;  // Linux, arch/x86/include/asm/vmx.h: VMX_EPT_IDENTITY_PAGETABLE_ADDR
    std::uint64_t below_the_stub = 0x1000;       // where there is nothing
    if (abi::stub_gpa + memory_.size() > usual && ::ioctl(vm_.get(), KVM_SET_IDENTITY_MAP_ADDR, &below_the_stub) != 0) {
        return base::fail_errno(errno, "KVM_SET_IDENTITY_MAP_ADDR");
    }
    return {};
}

base::Result<void> Machine::set_memory(DirtyLog log) const {
    kvm_userspace_memory_region region{};
    region.flags = static_cast<std::uint32_t>(log);
    region.guest_phys_addr = abi::stub_gpa;
    region.memory_size = memory_.size();
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(memory_.data());
    if (::ioctl(vm_.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) {
        return base::fail_errno(errno, "KVM_SET_USER_MEMORY_REGION");
    }
    return {};
}

base::Result<void> Machine::add_vcpu(const Host& host, std::uint64_t page_tables, std::uint64_t entry,
                                     std::uint64_t rbx) {
    base::Fd vcpu(::ioctl(vm_.get(), KVM_CREATE_VCPU, vcpus_.size()));
    if (!vcpu) {
        return base::fail_errno(errno, "KVM_CREATE_VCPU");
    }
    if (::ioctl(vcpu.get(), set_cpuid2, host.cpuid.data()) != 0) {  // before what depends on it
        return base::fail_errno(errno, "KVM_SET_CPUID2");
    }
    kvm_sregs s{};
    if (::ioctl(vcpu.get(), KVM_GET_SREGS, &s) != 0) {
        return base::fail_errno(errno, "KVM_GET_SREGS");
    }
    enter_user_mode(s, host.cr4, page_tables);
    if (::ioctl(vcpu.get(), KVM_SET_SREGS, &s) != 0) {
        return base::fail_errno(errno, "KVM_SET_SREGS");
    }
    BASE_TRY(set_extended_state(vcpu.get(), host.xcr0));
    BASE_TRY(set_registers(vcpu.get(), entry, rbx));
    vcpus_.push_back(std::move(vcpu));
    return {};
}

base::Result<void> Machine::bind_doorbell(std::uint16_t port, int eventfd) const {
    kvm_ioeventfd bell{};
    bell.addr = port;
    bell.len = sizeof(std::uint32_t);
    bell.fd = eventfd;
    bell.flags = KVM_IOEVENTFD_FLAG_PIO;
    if (::ioctl(vm_.get(), KVM_IOEVENTFD, &bell) != 0) {
        return base::fail_errno(errno, "KVM_IOEVENTFD");
    }
    return {};
}

base::Result<std::uint32_t> Machine::tsc_khz() const {
    const int khz = ::ioctl(vcpu(0), KVM_GET_TSC_KHZ, 0);
    if (khz <= 0) {
        return base::fail_errno(khz < 0 ? errno : EIO, "KVM_GET_TSC_KHZ");
    }
    return static_cast<std::uint32_t>(khz);
}

base::Result<void> Machine::log_dirty_pages(DirtyLog log) const {
    return set_memory(log);
}

base::Result<std::vector<std::uint64_t>> Machine::take_dirty_pages() const {
    std::vector<std::uint64_t> bits((memory_.size() / base::page_size + 63) / 64);
    kvm_dirty_log log{};
    log.dirty_bitmap = bits.data();
    if (::ioctl(vm_.get(), KVM_GET_DIRTY_LOG, &log) != 0) {
        return base::fail_errno(errno, "KVM_GET_DIRTY_LOG");
    }
    return bits;
}

}  // namespace hypervisor::kvm
