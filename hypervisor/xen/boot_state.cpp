// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/boot_state.hpp"

#include <array>
#include <cerrno>
#include <cstring>

namespace hypervisor::xen {

namespace {

// Segment attributes of the VMCS/VMCB (xen/arch-x86/hvm/save.h): present, 32-bit, 4 KiB granularity.
constexpr std::uint32_t code_segment = 0xc9b;
constexpr std::uint32_t data_segment = 0xc93;
constexpr std::uint32_t busy_tss = 0x8b;
constexpr std::uint32_t tss_limit = 0x67;
constexpr std::uint64_t cr0_pe = 1 << 0;
constexpr std::uint64_t cr0_et = 1 << 4;
constexpr std::uint64_t dr6_reset = 0xffff0ff0;
constexpr std::uint64_t dr7_reset = 0x400;

template <class Record>
hvm_save_descriptor descriptor(std::uint16_t type) {
    return {type, 0, sizeof(Record)};
}

void put_u32(std::span<std::uint8_t> code, std::uint64_t value) {
    const auto narrow = static_cast<std::uint32_t>(value);
    std::memcpy(code.data(), &narrow, sizeof narrow);
}

}  // namespace

Result<HvmHeader> read_header(const Toolstack& toolstack, base::DomId domain) {
    const int size = ::xc_domain_hvm_getcontext(toolstack.control(), domain.value, nullptr, 0);
    if (size <= 0) {
        return base::fail(xen_error(errno, "size of a vCPU context"));
    }
    std::vector<std::uint8_t> context(static_cast<std::size_t>(size));
    if (::xc_domain_hvm_getcontext(toolstack.control(), domain.value, context.data(),
                                   static_cast<std::uint32_t>(size)) <= 0) {
        return base::fail(xen_error(errno, "reading a vCPU context"));
    }
    hvm_save_descriptor first{};
    HvmHeader header{};
    if (context.size() >= sizeof first + sizeof header) {
        std::memcpy(&first, context.data(), sizeof first);
        std::memcpy(&header, context.data() + sizeof first, sizeof header);
    }
    if (first.typecode != HVM_SAVE_CODE(HEADER) || header.magic != HVM_FILE_MAGIC) {
        return base::fail(base::Code::protocol_error, "Xen's vCPU context does not begin with its header");
    }
    return header;
}

BootContext boot_context(const HvmHeader& header) {
    BootContext context{};
    context.header_descriptor = descriptor<HvmHeader>(HVM_SAVE_CODE(HEADER));
    context.header = header;
    context.cpu_descriptor = descriptor<HvmCpu>(HVM_SAVE_CODE(CPU));
    auto& cpu = context.cpu;
    cpu.cs_limit = cpu.ds_limit = cpu.es_limit = cpu.ss_limit = ~0U;
    cpu.tr_limit = tss_limit;
    cpu.cs_arbytes = code_segment;
    cpu.ds_arbytes = cpu.es_arbytes = cpu.ss_arbytes = data_segment;
    cpu.tr_arbytes = busy_tss;
    cpu.cr0 = cr0_pe | cr0_et;
    cpu.dr6 = dr6_reset;
    cpu.dr7 = dr7_reset;
    cpu.rip = abi::boot_page_gpa + offsetof(abi::BootPage, trampoline);
    return context;
}

abi::BootPage boot_page() {
    abi::BootPage page{};
    // mov ebx, start_info_gpa; jmp [entry]
    std::span<std::uint8_t> code(page.trampoline);
    code[0] = 0xbb;
    put_u32(code.subspan(1), abi::start_info_gpa);
    code[5] = 0xff;
    code[6] = 0x25;
    put_u32(code.subspan(7), abi::boot_page_gpa + offsetof(abi::BootPage, entry));
    page.magic = abi::boot_magic;
    return page;
}

}  // namespace hypervisor::xen
