// SPDX-License-Identifier: Apache-2.0
// Small guest images for tests, sound ones and broken ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "split-toolstack/elf_format.hpp"

namespace test_support {

/// What an image shall say; the defaults make a sound one of one segment at 1 MiB with both entries.
struct ElfPlan {
    struct Segment {
        std::uint64_t paddr{0x100000};
        std::string content{"code that is never run"};
        std::uint64_t memsz{0x2000};
    };
    struct Note {
        std::string vendor;
        std::uint32_t type;
        std::uint64_t value;
    };
    std::vector<Segment> segments{Segment{}};
    std::vector<Note> notes{{"Xen", split::elf::xen_note_phys32_entry, 0x100004},
                            {"noxs", split::elf::noxs_note_entry64, 0x100008}};
};

inline std::vector<std::byte> note_bytes(const std::vector<ElfPlan::Note>& notes) {
    std::vector<std::byte> out;
    const auto put = [&out](const void* data, std::size_t size) {
        const auto* bytes = static_cast<const std::byte*>(data);
        out.insert(out.end(), bytes, bytes + size);
        out.resize((out.size() + 3) / 4 * 4);
    };
    for (const auto& note : notes) {
        const split::elf::NoteHeader header{static_cast<std::uint32_t>(note.vendor.size() + 1), sizeof note.value,
                                            note.type};
        put(&header, sizeof header);
        put(note.vendor.c_str(), note.vendor.size() + 1);
        put(&note.value, sizeof note.value);
    }
    return out;
}

/// Header, program headers, notes, contents; the note segment is the last program header.
inline std::vector<std::byte> build_elf(const ElfPlan& plan) {
    using namespace split::elf;
    const auto notes = note_bytes(plan.notes);
    const std::size_t headers_end = sizeof(FileHeader) + (plan.segments.size() + 1) * sizeof(ProgramHeader);
    FileHeader header{};
    std::memcpy(header.ident, magic, sizeof magic);
    header.ident[ident_class] = class_64;
    header.ident[ident_data] = data_little;
    header.ident[6] = 1;
    header.type = type_exec;
    header.machine = machine_x86_64;
    header.version = 1;
    header.phoff = sizeof(FileHeader);
    header.ehsize = sizeof(FileHeader);
    header.phentsize = sizeof(ProgramHeader);
    header.phnum = static_cast<std::uint16_t>(plan.segments.size() + 1);
    std::vector<std::byte> file(headers_end);
    std::memcpy(file.data(), &header, sizeof header);
    std::size_t index = 0;
    const auto add = [&](std::uint32_t type, std::uint64_t paddr, const void* data, std::uint64_t size,
                         std::uint64_t memsz) {
        ProgramHeader segment{};
        segment.type = type;
        segment.offset = file.size();
        segment.vaddr = segment.paddr = paddr;
        segment.filesz = size;
        segment.memsz = memsz;
        segment.align = 4;
        std::memcpy(file.data() + sizeof header + index++ * sizeof segment, &segment, sizeof segment);
        const auto* bytes = static_cast<const std::byte*>(data);
        file.insert(file.end(), bytes, bytes + size);
    };
    for (const auto& segment : plan.segments) {
        add(segment_load, segment.paddr, segment.content.data(), segment.content.size(), segment.memsz);
    }
    add(segment_note, 0, notes.data(), notes.size(), 0);
    return file;
}

/// A 32-bit kernel that is nothing but notes and, where it is named, one section of that name.
inline std::vector<std::byte> build_elf32(const std::vector<ElfPlan::Note>& notes, const std::string& section = {}) {
    using namespace split::elf;
    const auto content = note_bytes(notes);
    std::vector<std::byte> file(sizeof(FileHeader32) + sizeof(ProgramHeader32));
    const auto append = [&file](const void* data, std::size_t size) {
        const auto at = file.size();
        const auto* bytes = static_cast<const std::byte*>(data);
        file.insert(file.end(), bytes, bytes + size);
        return static_cast<std::uint32_t>(at);
    };
    ProgramHeader32 segment{};
    segment.type = segment_note;
    segment.offset = append(content.data(), content.size());
    segment.filesz = static_cast<std::uint32_t>(content.size());
    FileHeader32 header{};
    std::memcpy(header.ident, magic, sizeof magic);
    header.ident[ident_class] = class_32;
    header.ident[ident_data] = data_little;
    header.type = type_exec;
    header.machine = machine_386;
    header.phoff = sizeof header;
    header.phentsize = sizeof segment;
    header.phnum = 1;
    if (!section.empty()) {
        SectionHeader32 names{};
        names.offset = append(section.c_str(), section.size() + 1);
        names.size = static_cast<std::uint32_t>(section.size() + 1);
        header.shoff = append(&names, sizeof names);
        header.shentsize = sizeof names;
        header.shnum = 1;
    }
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, &segment, sizeof segment);
    return file;
}

/// A Linux kernel in its distributed form, as far as a boot loader looks at it.
inline std::vector<std::byte> build_bzimage(std::uint32_t payload = 1000, std::uint16_t version = 0x20f) {
    constexpr std::uint8_t setup_sects = 3;
    constexpr std::uint32_t payload_offset = 64;
    std::vector<std::byte> file(std::size_t{setup_sects + 1} * 512 + payload_offset + payload);
    const auto put = [&file](std::size_t at, const void* data, std::size_t size) {
        std::memcpy(file.data() + at, data, size);
    };
    constexpr std::uint16_t boot_flag = 0xaa55;
    put(0x1f1, &setup_sects, sizeof setup_sects);
    put(0x1fe, &boot_flag, sizeof boot_flag);
    put(0x202, "HdrS", 4);
    put(0x206, &version, sizeof version);
    put(0x248, &payload_offset, sizeof payload_offset);
    put(0x24c, &payload, sizeof payload);
    return file;
}

/// Changes the header of `file`, or program header `index`, in place.
template <class F>
void edit_header(std::vector<std::byte>& file, F change) {
    split::elf::FileHeader header;
    std::memcpy(&header, file.data(), sizeof header);
    change(header);
    std::memcpy(file.data(), &header, sizeof header);
}
template <class F>
void edit_segment(std::vector<std::byte>& file, std::size_t index, F change) {
    split::elf::ProgramHeader segment;
    auto* at = file.data() + sizeof(split::elf::FileHeader) + index * sizeof segment;
    std::memcpy(&segment, at, sizeof segment);
    change(segment);
    std::memcpy(at, &segment, sizeof segment);
}

}  // namespace test_support
