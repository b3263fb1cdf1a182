// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/symbols.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "split-toolstack/elf_format.hpp"
#include "split-toolstack/file_source.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

constexpr std::size_t max_plain_name = 512;

template <class... Pieces>
std::unexpected<base::Error> bad(const Pieces&... pieces) {
    return base::fail(base::Code::invalid_image, words(pieces...));
}

template <class T>
std::span<std::byte> bytes_of(T& object) {
    return std::as_writable_bytes(std::span(&object, 1));
}

Result<elf::FileHeader> read_header(const ReadAt& file) {
    elf::FileHeader header{};
    if (!file(0, bytes_of(header)) || std::memcmp(header.ident, elf::magic, sizeof elf::magic) != 0 ||
        header.ident[elf::ident_class] != elf::class_64 || header.ident[elf::ident_data] != elf::data_little ||
        header.machine != elf::machine_x86_64) {
        return bad("it is no 64-bit ELF image");
    }
    return header;
}

Result<std::vector<elf::SectionHeader>> read_sections(const ReadAt& file) {
    BASE_ASSIGN(const auto header, read_header(file));
    if (header.shnum == 0 || header.shentsize != sizeof(elf::SectionHeader)) {
        return bad("it has no symbols");
    }
    if (header.shnum > Symbols::max_sections) {
        return bad("it has ", header.shnum, " sections, at most ", Symbols::max_sections, " are read");
    }
    std::vector<elf::SectionHeader> sections(header.shnum);
    if (!file(header.shoff, std::as_writable_bytes(std::span(sections)))) {
        return bad("its section headers lie beyond its end");
    }
    return sections;
}

Result<std::vector<elf::Symbol>> read_table(const ReadAt& file, const elf::SectionHeader& table) {
    if (table.entsize != sizeof(elf::Symbol) || table.size % sizeof(elf::Symbol) != 0) {
        return bad("its symbols are of ", table.entsize, " bytes, expected ", sizeof(elf::Symbol));
    }
    if (table.size > Symbols::max_table_bytes) {
        return bad("its symbol table has ", table.size, " bytes, at most ", Symbols::max_table_bytes, " are read");
    }
    std::vector<elf::Symbol> symbols(table.size / sizeof(elf::Symbol));
    if (!file(table.offset, std::as_writable_bytes(std::span(symbols)))) {
        return bad("its symbol table lies beyond its end");
    }
    return symbols;
}

bool is_code(const elf::SectionHeader& section) {
    constexpr auto flags = elf::section_flag_loaded | elf::section_flag_code;
    return section.type == elf::section_bits && (section.flags & flags) == flags &&
           section.size <= UINT64_MAX - section.addr && section.size <= UINT64_MAX - section.offset;
}

/// What a terminal or a log would obey is not let through.
std::string printable(std::string_view name) {
    std::string out(name);
    std::ranges::replace_if(
        out, [](char c) { return c <= ' ' || c > '~'; }, '?');
    return out;
}

std::string demangled(std::string name) {
    if (!name.starts_with("_Z") || name.size() > Symbols::max_demangled) {
        return name;
    }
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> plain(
        abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
    return plain && std::strlen(plain.get()) <= max_plain_name ? std::string(plain.get()) : name;
}

}  // namespace

Result<ReadAt> open_image(const std::string& path) {
    BASE_ASSIGN(auto fd, open_file("kernel", path));
    return [fd = std::move(fd)](std::uint64_t offset, std::span<std::byte> into) {
        while (!into.empty() && offset <= INT64_MAX) {
            const ssize_t n = ::pread(fd.get(), into.data(), into.size(), static_cast<off_t>(offset));
            if (n == 0 || (n < 0 && errno != EINTR)) {
                break;
            }
            const auto step = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
            into = into.subspan(step);
            offset += step;
        }
        return into.empty();
    };
}

Result<Symbols> Symbols::read(ReadAt file) {
    BASE_ASSIGN(const auto sections, read_sections(file));
    const auto table = std::ranges::find(sections, elf::section_symbols, &elf::SectionHeader::type);
    if (table == sections.end()) {
        return bad("it has no symbols");
    }
    if (table->link >= sections.size() || sections[table->link].type != elf::section_strings) {
        return bad("its symbols have no names");
    }
    BASE_ASSIGN(const auto symbols, read_table(file, *table));
    Symbols out(std::move(file));
    out.names_at_ = sections[table->link].offset;
    out.names_size_ = std::min(sections[table->link].size, UINT64_MAX - out.names_at_);
    for (unsigned i = 0; i < sections.size(); ++i) {
        if (is_code(sections[i])) {
            out.code_.push_back({i, sections[i].addr, sections[i].size, sections[i].offset});
        }
    }
    for (const auto& symbol : symbols) {
        const auto type = symbol.info & elf::symbol_type_mask;
        const bool named = symbol.name != 0 && (type == elf::symbol_function || type == elf::symbol_label);
        if (named && symbol.section < sections.size() && is_code(sections[symbol.section]) &&
            symbol.value >= sections[symbol.section].addr) {
            out.functions_.push_back({symbol.value, symbol.size, symbol.name, symbol.section});
        }
    }
    return out;
}

const Symbols::Code* Symbols::code_at(std::uint64_t address) const {
    const auto found = std::ranges::find_if(
        code_, [address](const Code& code) { return address >= code.address && address - code.address < code.size; });
    return found == code_.end() ? nullptr : &*found;
}

/// The innermost one that says that it reaches this far; else the nearest before it, if that does not say how far it
/// reaches.
const Symbols::Function* Symbols::find(std::uint64_t address) const {
    const auto* section = code_at(address);
    const Function* holder = nullptr;
    const Function* nearest = nullptr;
    for (const auto& function : functions_) {
        if (section == nullptr || function.section != section->section || function.address > address) {
            continue;
        }
        if (address - function.address < function.size && (holder == nullptr || holder->address < function.address)) {
            holder = &function;
        }
        const bool nearer = nearest == nullptr || function.address > nearest->address ||
                            (function.address == nearest->address && function.size > nearest->size);
        nearest = nearer ? &function : nearest;
    }
    return holder != nullptr || nearest == nullptr || nearest->size != 0 ? holder : nearest;
}

std::optional<std::string> Symbols::text_of(const Function& function) const {
    if (function.name >= names_size_) {
        return std::nullopt;
    }
    std::string name(std::min<std::uint64_t>(max_name, names_size_ - function.name), '\0');
    if (!file_(names_at_ + function.name, std::as_writable_bytes(std::span(name)))) {
        return std::nullopt;
    }
    if (const auto end = name.find('\0'); end != std::string::npos) {
        name.resize(end);
    } else {
        name += "...";
    }
    return name.empty() ? std::nullopt : std::optional(demangled(printable(name)));
}

std::optional<std::string> Symbols::describe(std::uint64_t looked_up, std::uint64_t address) const {
    const auto* function = find(looked_up);
    auto name = function != nullptr ? text_of(*function) : std::nullopt;
    return name ? std::optional(words(*name, "+", Hex{address - function->address})) : std::nullopt;
}

std::optional<std::string> Symbols::name(std::uint64_t address) const {
    return describe(address, address);
}

std::optional<std::string> Symbols::caller(std::uint64_t address) const {
    return address == 0 ? std::nullopt : describe(address - 1, address);
}

bool Symbols::read_code(std::uint64_t address, std::span<std::byte> into) const {
    const auto* code = code_at(address);
    if (code == nullptr || into.size() > code->size - (address - code->address)) {
        return false;
    }
    return file_(code->offset + (address - code->address), into);
}

}  // namespace split
