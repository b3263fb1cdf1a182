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
