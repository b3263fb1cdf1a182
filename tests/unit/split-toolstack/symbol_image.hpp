// SPDX-License-Identifier: Apache-2.0
// Adds a section of code and a symbol table to an image of tests/support/elf_builder.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "split-toolstack/elf_format.hpp"

namespace split::test {

struct TestSymbol {
    std::string name;
    std::uint64_t address{0};
    std::uint64_t size{0};
    unsigned type{elf::symbol_function};
    std::uint16_t section{1};
};

/// The indices of the sections that are added.
inline constexpr unsigned code_index = 1, table_index = 2, strings_index = 3, section_count = 4;

inline std::vector<std::byte> with_symbols(std::vector<std::byte> file, const std::vector<TestSymbol>& symbols) {
    const auto append = [&file](const void* data, std::size_t size) {
        const auto* bytes = static_cast<const std::byte*>(data);
        file.insert(file.end(), bytes, bytes + size);
        return file.size() - size;
    };
    elf::ProgramHeader segment{};
    std::memcpy(&segment, file.data() + sizeof(elf::FileHeader), sizeof segment);
    std::array<elf::SectionHeader, section_count> sections{};
    auto& code = sections[code_index];
    code.type = elf::section_bits;
    code.flags = elf::section_flag_loaded | elf::section_flag_code;
    code.addr = segment.vaddr;
    code.offset = segment.offset;
    code.size = segment.filesz;

    std::string strings(1, '\0');
    std::vector<elf::Symbol> table(1);
    for (const auto& symbol : symbols) {
        const auto name = symbol.name.empty() ? 0 : strings.size();
        table.push_back({static_cast<std::uint32_t>(name), static_cast<std::uint8_t>(symbol.type), 0, symbol.section,
                         symbol.address, symbol.size});
        strings += symbol.name + '\0';
    }
    auto& entries = sections[table_index];
    entries.type = elf::section_symbols;
    entries.link = strings_index;
    entries.entsize = sizeof(elf::Symbol);
    entries.size = table.size() * sizeof(elf::Symbol);
    entries.offset = append(table.data(), entries.size);
    auto& names = sections[strings_index];
    names.type = elf::section_strings;
    names.size = strings.size();
    names.offset = append(strings.data(), strings.size());

    elf::FileHeader header{};
    std::memcpy(&header, file.data(), sizeof header);
    header.shoff = append(sections.data(), sizeof sections);
    header.shentsize = sizeof(elf::SectionHeader);
    header.shnum = section_count;
    std::memcpy(file.data(), &header, sizeof header);
    return file;
}

template <class F>
void edit_section(std::vector<std::byte>& file, unsigned index, F change) {
    elf::FileHeader header{};
    std::memcpy(&header, file.data(), sizeof header);
    elf::SectionHeader section{};
    auto* at = file.data() + header.shoff + index * sizeof section;
    std::memcpy(&section, at, sizeof section);
    change(section);
    std::memcpy(at, &section, sizeof section);
}

}  // namespace split::test
