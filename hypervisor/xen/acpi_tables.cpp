// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/acpi_tables.hpp"

#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace hypervisor::xen {

namespace {

// ACPI specification 6.0, chapter 5.2. Fields that are 0 for a guest without the hardware they describe are not named.

struct [[gnu::packed]] Rsdp {
    char signature[8];          //  0
    std::uint8_t checksum;      //  8  of the first 20 bytes
    char oem[6];                //  9
    std::uint8_t revision;      // 15  2
    std::uint32_t rsdt;         // 16
    std::uint32_t length;       // 20
    std::uint64_t xsdt;         // 24
    std::uint8_t all_checksum;  // 32
    std::uint8_t reserved[3];   // 33
};
static_assert(sizeof(Rsdp) == 36);

struct [[gnu::packed]] Header {
    char signature[4];               //  0
    std::uint32_t length;            //  4
    std::uint8_t revision;           //  8
    std::uint8_t checksum;           //  9
    char oem[6];                     // 10
    char oem_table[8];               // 16
    std::uint32_t oem_revision;      // 24
    char creator[4];                 // 28
    std::uint32_t creator_revision;  // 32
};
static_assert(sizeof(Header) == 36);

struct [[gnu::packed]] Xsdt {
    Header header;
    std::uint64_t fadt;  // 36
    std::uint64_t madt;  // 44
};
static_assert(sizeof(Xsdt) == 52);

struct [[gnu::packed]] Fadt {
    Header header;
    std::uint8_t unused0[73];   //  36
    std::uint16_t boot_arch;    // 109  IAPC_BOOT_ARCH
    std::uint8_t unused1;       // 111
    std::uint32_t flags;        // 112
    std::uint8_t unused2[24];   // 116
    std::uint64_t dsdt;         // 140  X_DSDT
    std::uint8_t unused3[128];  // 148
};
static_assert(sizeof(Fadt) == 276 && offsetof(Fadt, boot_arch) == 109 && offsetof(Fadt, dsdt) == 140);

struct [[gnu::packed]] Madt {
    Header header;
    std::uint32_t lapic;  // 36  address
    std::uint32_t flags;  // 40  0: no 8259
};
static_assert(sizeof(Madt) == 44);

struct [[gnu::packed]] LocalApic {
    std::uint8_t type;       // 0  0
    std::uint8_t length;     // 1
    std::uint8_t processor;  // 2
    std::uint8_t apic_id;    // 3
    std::uint32_t flags;     // 4  1: enabled
};
static_assert(sizeof(LocalApic) == 8);

constexpr std::uint32_t lapic_address = 0xfee00000;
constexpr std::uint16_t no_vga = 1 << 2;
constexpr std::uint16_t no_rtc = 1 << 5;
constexpr std::uint32_t wbinvd = 1 << 0;
constexpr std::uint32_t power_button_is_no_fixed_one = 1 << 4;
constexpr std::uint32_t sleep_button_is_no_fixed_one = 1 << 5;
constexpr std::uint32_t hardware_reduced = 1 << 20;

/// What makes the bytes add up to 0.
std::uint8_t checksum(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (const auto byte : bytes) {
        sum += static_cast<unsigned>(byte);
    }
    return static_cast<std::uint8_t>(0 - sum);
}

template <std::size_t N>
void put(char (&to)[N], std::string_view text) {
    std::memcpy(to, text.data(), N);
}

Header header(std::string_view signature, std::uint8_t revision, std::size_t length) {
    Header header{};
    put(header.signature, signature);
    header.length = static_cast<std::uint32_t>(length);
    header.revision = revision;
    put(header.oem, "chaos ");
    put(header.oem_table, "noxs    ");
    put(header.creator, "noxs");
    return header;
}

/// Tables one behind the other, each at a multiple of 16.
class Run {
 public:
    explicit Run(std::uint64_t gpa) : gpa_(gpa) {}

    std::uint64_t next() const { return gpa_ + bytes_.size(); }

    /// A table that is complete but for its checksum.
    void add(std::span<const std::byte> table) {
        const auto at = bytes_.size();
        bytes_.insert(bytes_.end(), table.begin(), table.end());
        bytes_[at + offsetof(Header, checksum)] =
            std::byte{checksum(std::span<const std::byte>(bytes_).subspan(at, table.size()))};
        align();
    }
    template <class Table>
    void add(const Table& table) {
        add(std::as_bytes(std::span(&table, 1)));
    }
    void reserve(std::size_t size) {
        bytes_.resize(bytes_.size() + size);
        align();
    }
    std::vector<std::byte> take() && { return std::move(bytes_); }
    std::byte* front() { return bytes_.data(); }

 private:
    void align() { bytes_.resize((bytes_.size() + 15) & ~std::size_t{15}); }

    std::uint64_t gpa_;
    std::vector<std::byte> bytes_;
};

Fadt fadt(std::uint64_t dsdt) {
    Fadt table{};
    table.header = header("FACP", 6, sizeof table);
    table.boot_arch = no_vga | no_rtc;
    table.flags = wbinvd | power_button_is_no_fixed_one | sleep_button_is_no_fixed_one | hardware_reduced;
    table.dsdt = dsdt;
    return table;
}

std::vector<std::byte> madt(unsigned vcpus) {
    const auto size = sizeof(Madt) + vcpus * sizeof(LocalApic);
    std::vector<std::byte> bytes(size);
    const Madt table{header("APIC", 4, size), lapic_address, 0};
    std::memcpy(bytes.data(), &table, sizeof table);
    for (unsigned i = 0; i < vcpus; ++i) {
        const LocalApic entry{0, sizeof entry, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(2 * i), 1};
        std::memcpy(bytes.data() + sizeof table + i * sizeof entry, &entry, sizeof entry);
    }
    return bytes;
}

Rsdp rsdp(std::uint64_t xsdt) {
    Rsdp root{};
    put(root.signature, "RSD PTR ");
    put(root.oem, "chaos ");
    root.revision = 2;
    root.length = sizeof root;
    root.xsdt = xsdt;
    root.checksum = checksum(std::as_bytes(std::span(&root, 1)).first(20));
    root.all_checksum = checksum(std::as_bytes(std::span(&root, 1)));
    return root;
}

}  // namespace

std::vector<std::byte> acpi_tables(std::uint64_t gpa, unsigned vcpus) {
    Run run(gpa);
    run.reserve(sizeof(Rsdp));
    const auto dsdt_at = run.next();
    run.add(header("DSDT", 2, sizeof(Header)));
    const auto fadt_at = run.next();
    run.add(fadt(dsdt_at));
    const auto madt_at = run.next();
    run.add(std::span<const std::byte>(madt(vcpus)));
    const auto xsdt_at = run.next();
    run.add(Xsdt{header("XSDT", 1, sizeof(Xsdt)), fadt_at, madt_at});
    const auto root = rsdp(xsdt_at);
    std::memcpy(run.front(), &root, sizeof root);
    return std::move(run).take();
}

}  // namespace hypervisor::xen
