// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/crash_report.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "split-toolstack/elf.hpp"
#include "split-toolstack/symbols.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using base::Code;
using base::fail;

/// A copy of guest memory at [gpa, gpa + size), which must lie in its RAM.
Result<std::vector<std::byte>> copy_memory(hypervisor::Domain& domain, std::uint64_t gpa, std::uint64_t size) {
    const auto all = domain.layout().memory.value;
    if (gpa < image_floor_gpa || gpa > all || size > all - gpa || size == 0) {
        return fail(Code::invalid_argument, "it is not in the guest's RAM");
    }
    const auto first = base::gfn_of(gpa);
    const auto end = base::gfn_of(gpa + size + base::page_size - 1);
    BASE_ASSIGN(const auto pages, domain.map_pages(first, end.value - first.value));
    const auto* at = pages.data() + gpa % base::page_size;
    return std::vector<std::byte>(at, at + size);
}

Result<void> check_code(const Symbols& symbols, hypervisor::Domain& domain) {
    std::uint64_t left = max_code_bytes;
    for (const auto& code : symbols.code()) {
        if (code.size > left) {
            return fail(Code::limit_reached, words("it has more than ", base::Bytes{max_code_bytes}, " of code"));
        }
        left -= code.size;
        if (code.size == 0) {
            continue;
        }
        BASE_ASSIGN(const auto loaded, copy_memory(domain, code.address, code.size));
        std::vector<std::byte> in_file(code.size);
        if (!symbols.read_code(code.address, in_file) || in_file != loaded) {
            return fail(Code::invalid_image, "its code is not what the guest has: one of them has changed");
        }
    }
    return {};
}

/// x86-64: the length of FF /2 (a call through a register or memory) by its ModRM and SIB bytes; 0: it is none.
std::size_t indirect_call_length(unsigned modrm, unsigned sib) {
    const unsigned mode = modrm >> 6;
    const unsigned base = modrm & 7;
    const bool has_sib = mode != 3 && base == 4;
    const bool wide = mode == 2 || (mode == 0 && (base == 5 || (has_sib && (sib & 7) == 5)));
    return (modrm >> 3 & 7) == 2 ? 2 + std::size_t{has_sib} + (wide ? 4 : 0) + std::size_t{mode == 1} : 0;
}

/// Whether a call could end at the end of `code`.
bool ends_in_call(std::span<const std::byte, 7> code) {
    constexpr std::byte call_relative{0xe8};
    constexpr std::byte call_indirect{0xff};
    constexpr std::size_t relative_length = 5;
    if (code[code.size() - relative_length] == call_relative) {
        return true;
    }
    for (std::size_t length = 2; length <= code.size(); ++length) {
        const auto* at = code.data() + code.size() - length;
        const unsigned sib = length > 2 ? std::to_integer<unsigned>(at[2]) : 0;
        if (at[0] == call_indirect && indirect_call_length(std::to_integer<unsigned>(at[1]), sib) == length) {
            return true;
        }
    }
    return false;
}

std::vector<std::string> find_callers(const Symbols& symbols, hypervisor::Domain& domain, std::uint64_t rsp) {
    std::vector<std::string> callers;
    const auto memory = domain.layout().memory.value;
    if (rsp < image_floor_gpa && image_floor_gpa - rsp <= base::page_size) {
        rsp = image_floor_gpa;  // a stack at the front of RAM that ran over: what is left of it
    }
    if (rsp % sizeof(std::uint64_t) != 0 || rsp < image_floor_gpa || rsp >= memory) {
        return callers;
    }
    std::array<std::uint64_t, CrashReport::stack_words> stack{};
    const auto size = std::min<std::uint64_t>(sizeof stack, (memory - rsp) & ~std::uint64_t{7});
    const auto copy = copy_memory(domain, rsp, size);
    if (!copy) {
        return callers;
    }
    std::memcpy(stack.data(), copy->data(), copy->size());
    for (const auto value : stack) {
        std::array<std::byte, 7> before{};
        if (callers.size() == CrashReport::max_callers || value < before.size() ||
            !symbols.read_code(value - before.size(), before) || !ends_in_call(before)) {
            continue;
        }
        if (auto name = symbols.caller(value)) {
            callers.push_back(*std::move(name));
        }
    }
    return callers;
}

Result<CrashReport> look(hypervisor::Domain& domain, const hypervisor::Registers& registers,
                         const std::string& kernel) {
    BASE_ASSIGN(auto file, open_image(kernel));
    BASE_ASSIGN(const auto symbols, Symbols::read(std::move(file)));
    BASE_TRY(check_code(symbols, domain));
    CrashReport report;
    report.function = symbols.name(registers.rip).value_or("");
    report.callers = find_callers(symbols, domain, registers.rsp);
    report.unnamed = report.function.empty() ? "ip is in none of its functions" : "";
    return report;
}

}  // namespace

CrashReport report_crash(hypervisor::Domain& domain, const hypervisor::Registers& registers,
                         const std::string& kernel) {
    auto report = look(domain, registers, kernel);
    return report ? *std::move(report) : CrashReport{{}, {}, words("kernel '", kernel, "': ", report.error().message)};
}

std::string with_function(std::string how, std::uint64_t ip, std::string_view function) {
    const auto pointer = words("ip ", Hex{ip});
    const auto at = how.find(pointer);
    if (at != std::string::npos && !function.empty()) {
        how.insert(at + pointer.size(), words(" (", function, ")"));
    }
    return how;
}

std::string callers_text(const CrashReport& report) {
    std::string text = report.unnamed.empty() ? "" : words("no function name: ", report.unnamed);
    for (const auto& caller : report.callers) {
        const bool first = &caller == &report.callers.front();
        append(text, words(!first         ? ", "
                           : text.empty() ? "called from, perhaps: "
                                          : "; called from, perhaps: ",
                           caller));
    }
    return text;
}

std::array<NamedRegister, 18> named_registers(const hypervisor::Registers& r) {
    return {{{"rip", r.rip},
             {"rsp", r.rsp},
             {"rflags", r.rflags},
             {"rax", r.rax},
             {"rbx", r.rbx},
             {"rcx", r.rcx},
             {"rdx", r.rdx},
             {"rsi", r.rsi},
             {"rdi", r.rdi},
             {"rbp", r.rbp},
             {"r8", r.r8},
             {"r9", r.r9},
             {"r10", r.r10},
             {"r11", r.r11},
             {"r12", r.r12},
             {"r13", r.r13},
             {"r14", r.r14},
             {"r15", r.r15}}};
}

std::string registers_text(const hypervisor::Registers& registers) {
    std::string text;
    for (const auto& [name, value] : named_registers(registers)) {
        append(text, words(text.empty() ? "" : " ", name, " ", Hex{value}));
    }
    return text;
}

ReportLimit::Verdict ReportLimit::count(std::chrono::steady_clock::time_point now) {
    if (now - begin_ > window) {
        begin_ = now;
        count_ = 0;
    }
    count_ = std::min(count_ + 1, most + 2);
    return count_ <= most ? Verdict::report : count_ == most + 1 ? Verdict::first_unreported : Verdict::no_more;
}

}  // namespace split
