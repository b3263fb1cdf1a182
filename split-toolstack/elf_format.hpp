// SPDX-License-Identifier: Apache-2.0
// The parts of ELF that a guest image uses, those with 32 in their name for what others built (System V ABI, chapters 4 and 5; x86-64 supplement).
#pragma once

#include <cstddef>
#include <cstdint>

namespace split::elf {

struct FileHeader {
    unsigned char ident[16];  //  0  magic, class, data, version
    std::uint16_t type;       // 16
    std::uint16_t machine;    // 18
    std::uint32_t version;    // 20
    std::uint64_t entry;      // 24
    std::uint64_t phoff;      // 32
    std::uint64_t shoff;      // 40
    std::uint32_t flags;      // 48
    std::uint16_t ehsize;     // 52
    std::uint16_t phentsize;  // 54
    std::uint16_t phnum;      // 56
    std::uint16_t shentsize;  // 58
    std::uint16_t shnum;      // 60
    std::uint16_t shstrndx;   // 62
};
static_assert(sizeof(FileHeader) == 64 && offsetof(FileHeader, phoff) == 32 && offsetof(FileHeader, phnum) == 56);

struct ProgramHeader {
    std::uint32_t type;    //  0
    std::uint32_t flags;   //  4
    std::uint64_t offset;  //  8
    std::uint64_t vaddr;   // 16
    std::uint64_t paddr;   // 24
    std::uint64_t filesz;  // 32
    std::uint64_t memsz;   // 40
    std::uint64_t align;   // 48
};
static_assert(sizeof(ProgramHeader) == 56 && offsetof(ProgramHeader, paddr) == 24);

struct SectionHeader {
    std::uint32_t name;       //  0  offset in the section of names
    std::uint32_t type;       //  4
    std::uint64_t flags;      //  8
    std::uint64_t addr;       // 16
    std::uint64_t offset;     // 24
    std::uint64_t size;       // 32
    std::uint32_t link;       // 40
    std::uint32_t info;       // 44
    std::uint64_t addralign;  // 48
    std::uint64_t entsize;    // 56
};
static_assert(sizeof(SectionHeader) == 64 && offsetof(SectionHeader, offset) == 24);

struct Symbol {
    std::uint32_t name;     //  0  offset in the section of strings
    std::uint8_t info;      //  4  the low 4 bits: what it is
    std::uint8_t other;     //  5
    std::uint16_t section;  //  6  index of its section's header
    std::uint64_t value;    //  8
    std::uint64_t size;     // 16
};
static_assert(sizeof(Symbol) == 24 && offsetof(Symbol, value) == 8);

struct FileHeader32 {
    unsigned char ident[16];  //  0
    std::uint16_t type;       // 16
    std::uint16_t machine;    // 18
    std::uint32_t version;    // 20
    std::uint32_t entry;      // 24
    std::uint32_t phoff;      // 28
    std::uint32_t shoff;      // 32
    std::uint32_t flags;      // 36
    std::uint16_t ehsize;     // 40
    std::uint16_t phentsize;  // 42
    std::uint16_t phnum;      // 44
    std::uint16_t shentsize;  // 46
    std::uint16_t shnum;      // 48
    std::uint16_t shstrndx;   // 50
};
static_assert(sizeof(FileHeader32) == 52 && offsetof(FileHeader32, phoff) == 28 && offsetof(FileHeader32, phnum) == 44);

struct ProgramHeader32 {
    std::uint32_t type;    //  0
    std::uint32_t offset;  //  4
    std::uint32_t vaddr;   //  8
    std::uint32_t paddr;   // 12
    std::uint32_t filesz;  // 16
    std::uint32_t memsz;   // 20
    std::uint32_t flags;   // 24
    std::uint32_t align;   // 28
};
static_assert(sizeof(ProgramHeader32) == 32 && offsetof(ProgramHeader32, filesz) == 16);

struct SectionHeader32 {
    std::uint32_t name;       //  0
    std::uint32_t type;       //  4
    std::uint32_t flags;      //  8
    std::uint32_t addr;       // 12
    std::uint32_t offset;     // 16
    std::uint32_t size;       // 20
    std::uint32_t link;       // 24
    std::uint32_t info;       // 28
    std::uint32_t addralign;  // 32
    std::uint32_t entsize;    // 36
};
static_assert(sizeof(SectionHeader32) == 40 && offsetof(SectionHeader32, offset) == 16);

struct NoteHeader {
    std::uint32_t namesz;  // 0  the NUL included
    std::uint32_t descsz;  // 4
    std::uint32_t type;    // 8
};
static_assert(sizeof(NoteHeader) == 12);

inline constexpr unsigned char magic[4] = {0x7f, 'E', 'L', 'F'};
inline constexpr unsigned ident_class = 4;
inline constexpr unsigned ident_data = 5;
inline constexpr unsigned char class_32 = 1;
inline constexpr unsigned char class_64 = 2;
inline constexpr unsigned char data_little = 1;
inline constexpr std::uint16_t type_exec = 2;
inline constexpr std::uint16_t machine_386 = 3;
inline constexpr std::uint16_t machine_x86_64 = 62;
inline constexpr std::uint32_t segment_load = 1;
inline constexpr std::uint32_t segment_note = 4;
inline constexpr std::uint32_t section_bits = 1;
inline constexpr std::uint32_t section_symbols = 2;
inline constexpr std::uint32_t section_strings = 3;
inline constexpr std::uint32_t section_note = 7;
inline constexpr std::uint64_t section_flag_loaded = 2;
inline constexpr std::uint64_t section_flag_code = 4;
inline constexpr unsigned symbol_type_mask = 15;
inline constexpr unsigned symbol_label = 0;
inline constexpr unsigned symbol_function = 2;

// Xen, public/elfnote.h. What Xen's PV loader can't do without, and the one that PVH needs.
inline constexpr std::uint32_t xen_note_xen_version = 5;    // XEN_ELFNOTE_XEN_VERSION
inline constexpr std::uint32_t xen_note_guest_os = 6;       // XEN_ELFNOTE_GUEST_OS
inline constexpr std::uint32_t xen_note_loader = 8;         // XEN_ELFNOTE_LOADER
inline constexpr std::uint32_t xen_note_features = 10;      // XEN_ELFNOTE_FEATURES
inline constexpr std::uint32_t xen_note_phys32_entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
inline constexpr std::uint32_t noxs_note_entry64 = 1;

}  // namespace split::elf
