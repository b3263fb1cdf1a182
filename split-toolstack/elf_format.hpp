// SPDX-License-Identifier: Apache-2.0
// The parts of ELF64 that a guest image uses (System V ABI, chapters 4 and 5; x86-64 supplement).
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

struct NoteHeader {
    std::uint32_t namesz;  // 0  the NUL included
    std::uint32_t descsz;  // 4
    std::uint32_t type;    // 8
};
static_assert(sizeof(NoteHeader) == 12);

inline constexpr unsigned char magic[4] = {0x7f, 'E', 'L', 'F'};
inline constexpr unsigned ident_class = 4;
inline constexpr unsigned ident_data = 5;
inline constexpr unsigned char class_64 = 2;
inline constexpr unsigned char data_little = 1;
inline constexpr std::uint16_t type_exec = 2;
inline constexpr std::uint16_t machine_x86_64 = 62;
inline constexpr std::uint32_t segment_load = 1;
inline constexpr std::uint32_t segment_note = 4;

inline constexpr std::uint32_t xen_note_phys32_entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
inline constexpr std::uint32_t noxs_note_entry64 = 1;

}  // namespace split::elf
