// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/hv/page_tables.hpp"

#include <algorithm>

#include "hypervisor/kvm/kvm_abi.hpp"

namespace hypervisor::kvm {

namespace {

// Intel SDM volume 3, 4.5: bits of an entry
constexpr std::uint64_t present = 1;
constexpr std::uint64_t writable = 1 << 1;
constexpr std::uint64_t user = 1 << 2;
constexpr std::uint64_t accessed_dirty = 3 << 5;  // set beforehand: the processor need not write them
constexpr std::uint64_t large = 1 << 7;
constexpr std::uint64_t no_execute = std::uint64_t{1} << 63;

constexpr std::uint64_t table_link = present | writable | user | accessed_dirty;
constexpr std::uint64_t read_only = present | user | accessed_dirty | no_execute;
constexpr std::uint64_t read_execute = present | user | accessed_dirty;
constexpr std::uint64_t read_write = read_only | writable;
constexpr std::uint64_t everything = read_execute | writable;

constexpr std::uint64_t page_2m = 2 << 20;
constexpr std::uint64_t page_1g = 1 << 30;

// Pages of the tables, in this order; then one page directory for each GiB.
enum : std::uint64_t { pml4, pdpt, first_pt, last_pt, first_pd };

class Tables {
 public:
    Tables(std::span<std::byte> bytes, std::uint64_t gpa)
        : entries_(reinterpret_cast<std::uint64_t*>(bytes.data())), gpa_(gpa) {}

    void set(std::uint64_t page, std::uint64_t index, std::uint64_t value) { entries_[page * 512 + index] = value; }
    std::uint64_t link(std::uint64_t page) const { return (gpa_ + page * base::page_size) | table_link; }

    /// Small pages [from, to), all of one table.
    void map(std::uint64_t table, std::uint64_t from, std::uint64_t to, std::uint64_t rights) {
        for (auto at = from; at < to; at += base::page_size) {
            set(table, at / base::page_size % 512, at | rights);
        }
    }

 private:
    std::uint64_t* entries_;
    std::uint64_t gpa_;
};

}  // namespace

std::uint64_t page_table_size(std::uint64_t memory) {
    return (first_pd + (memory + page_1g - 1) / page_1g) * base::page_size;
}

void write_page_tables(std::span<std::byte> tables, std::uint64_t memory, std::uint32_t control_pages) {
    Tables out(tables, memory);
    out.set(pml4, 0, out.link(pdpt));
    for (std::uint64_t gib = 0; gib * page_1g < memory; ++gib) {
        out.set(pdpt, gib, out.link(first_pd + gib));
    }
    const auto directory = [](std::uint64_t at) { return first_pd + at / page_1g; };
    out.set(first_pd, 0, out.link(first_pt));
    out.map(first_pt, abi::stub_gpa, abi::start_info_gpa, read_execute);
    out.map(first_pt, abi::start_info_gpa, abi::read_only_end, read_only);
    out.map(first_pt, abi::event_page_gpa, abi::control_gpa + control_pages * base::page_size, read_write);
    out.map(first_pt, abi::grant_table_gpa, abi::grant_table_end, read_write);
    out.map(first_pt, abi::ram_gpa, std::min(memory, page_2m), everything);
    auto at = page_2m;
    for (; at + page_2m <= memory; at += page_2m) {
        out.set(directory(at), at / page_2m % 512, at | everything | large);
    }
    if (at < memory) {
        out.set(directory(at), at / page_2m % 512, out.link(last_pt));
        out.map(last_pt, at, memory, everything);
    }
}

}  // namespace hypervisor::kvm
