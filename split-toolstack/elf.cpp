// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/elf.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "split-toolstack/elf_format.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using base::Code;
using base::fail;
using elf::ProgramHeader;

/// True where [offset, offset + size) lies inside [0, total): no sum, so nothing can wrap.
bool inside(std::uint64_t offset, std::uint64_t size, std::uint64_t total) {
    return offset <= total && size <= total - offset;
}

struct Range {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t file_end;
};

class Parser {
 public:
    Parser(std::span<const std::byte> file, std::string_view name) : file_(file), name_(name) {}

    Result<LoadedImage> run() {
        BASE_TRY(check_header());
        BASE_TRY(read_program_headers());
        for (std::size_t i = 0; i < headers_.size(); ++i) {
            if (headers_[i].type == elf::segment_load && headers_[i].memsz != 0) {
                BASE_TRY(check_segment(i));
            }
        }
        if (segments_.empty()) {
            return bad("it has no segment to load");
        }
        for (std::size_t i = 0; i < headers_.size(); ++i) {
            if (headers_[i].type == elf::segment_note) {
                BASE_TRY(read_notes(i));
            }
        }
        BASE_TRY(check_entries());
        return lay_out();
    }

 private:
    template <class... Pieces>
    std::unexpected<base::Error> bad(const Pieces&... pieces) const {
        return fail(Code::invalid_image, words(name_, ": ", pieces...));
    }

    template <class T>
    T copy(std::uint64_t offset) const {
        T out;
        std::memcpy(&out, file_.data() + offset, sizeof out);
        return out;
    }

    Result<void> check_header();
    Result<void> read_program_headers();
    Result<void> check_segment(std::size_t index);
    Result<void> read_notes(std::size_t index);
    Result<void> take_note(std::string_view vendor, std::uint32_t type, std::span<const std::byte> desc);
    Result<void> check_entries() const;
    Result<void> check_entry(std::string_view what, std::uint64_t entry) const;
    Result<LoadedImage> lay_out() const;

    std::span<const std::byte> file_;
    std::string_view name_;
    elf::FileHeader header_{};
    std::vector<ProgramHeader> headers_;
    std::vector<std::pair<Range, std::size_t>> segments_;
    std::uint64_t entry64_{0};
    std::uint64_t entry_pvh_{0};
};

Result<void> Parser::check_header() {
    if (file_.size() < sizeof elf::magic || std::memcmp(file_.data(), elf::magic, sizeof elf::magic) != 0) {
        return bad("it is no ELF image: it does not begin with 7f 45 4c 46");
    }
    if (file_.size() < sizeof header_) {
        return bad("it is truncated: ", file_.size(), " bytes, the ELF header alone has ", sizeof header_);
    }
    header_ = copy<elf::FileHeader>(0);
    if (header_.ident[elf::ident_class] != elf::class_64) {
        return bad("ELF class ", unsigned{header_.ident[elf::ident_class]}, ", expected 2 (64-bit)");
    }
    if (header_.ident[elf::ident_data] != elf::data_little) {
        return bad("ELF data encoding ", unsigned{header_.ident[elf::ident_data]}, ", expected 1 (little endian)");
    }
    if (header_.machine != elf::machine_x86_64) {
        return bad("it is built for ELF machine ", header_.machine, ", expected 62 (x86-64)");
    }
    if (header_.type != elf::type_exec) {
        return bad("ELF type ", header_.type, ", expected 2 (a static executable, not relocatable)");
    }
    return {};
}

Result<void> Parser::read_program_headers() {
    if (header_.phentsize != sizeof(ProgramHeader)) {
        return bad("program headers of ", header_.phentsize, " bytes, expected ", sizeof(ProgramHeader));
    }
    if (header_.phnum > max_program_headers) {
        return bad(header_.phnum, " program headers, at most ", max_program_headers, " are allowed");
    }
    const std::uint64_t size = std::uint64_t{header_.phnum} * sizeof(ProgramHeader);
    if (!inside(header_.phoff, size, file_.size())) {
        return bad("it is truncated: ", header_.phnum, " program headers at ", Hex{header_.phoff},
                   " lie beyond the end of the file (", file_.size(), " bytes)");
    }
    for (unsigned i = 0; i < header_.phnum; ++i) {
        headers_.push_back(copy<ProgramHeader>(header_.phoff + i * sizeof(ProgramHeader)));
    }
    return {};
}

Result<void> Parser::check_segment(std::size_t index) {
    const ProgramHeader& segment = headers_[index];
    if (segment.filesz > segment.memsz) {
        return bad("segment ", index, " has ", segment.filesz, " bytes in the file but only ", segment.memsz,
                   " in memory");
    }
    if (!inside(segment.offset, segment.filesz, file_.size())) {
        return bad("it is truncated: segment ", index, " is ", segment.filesz, " bytes at ", Hex{segment.offset},
                   ", beyond the end of the file (", file_.size(), " bytes)");
    }
    if (segment.paddr < image_floor_gpa) {
        return bad("segment ", index, " is at ", Hex{segment.paddr}, ", images begin at ", Hex{image_floor_gpa},
                   " or above");
    }
    if (segment.memsz > UINT64_MAX - segment.paddr) {
        return bad("segment ", index, " wraps around: ", Hex{segment.memsz}, " bytes at ", Hex{segment.paddr});
    }
    const Range range{segment.paddr, segment.paddr + segment.memsz, segment.paddr + segment.filesz};
    for (const auto& [other, other_index] : segments_) {
        if (range.begin < other.end && other.begin < range.end) {
            return bad("segments ", other_index, " (", Hex{other.begin}, " to ", Hex{other.end}, ") and ", index, " (",
                       Hex{range.begin}, " to ", Hex{range.end}, ") overlap");
        }
    }
    segments_.emplace_back(range, index);
    return {};
}

Result<void> Parser::read_notes(std::size_t index) {
    const ProgramHeader& segment = headers_[index];
    if (!inside(segment.offset, segment.filesz, file_.size())) {
        return bad("it is truncated: note segment ", index, " is ", segment.filesz, " bytes at ", Hex{segment.offset},
                   ", beyond the end of the file (", file_.size(), " bytes)");
    }
    const std::uint64_t align = segment.align == 8 ? 8 : 4;
    const auto round_up = [align](std::uint64_t n) { return (n + align - 1) & ~(align - 1); };
    std::uint64_t at = 0;
    while (inside(at, sizeof(elf::NoteHeader), segment.filesz)) {
        const auto note = copy<elf::NoteHeader>(segment.offset + at);
        const std::uint64_t desc_at = round_up(at + sizeof note + note.namesz);
        if (!inside(desc_at, note.descsz, segment.filesz)) {
            return bad("the note at ", Hex{segment.offset + at}, " (name ", note.namesz, " bytes, content ",
                       note.descsz, ") runs out of its segment of ", segment.filesz, " bytes");
        }
        const auto bytes = file_.subspan(segment.offset, segment.filesz);
        const auto* vendor = reinterpret_cast<const char*>(bytes.data() + at + sizeof note);
        const std::string_view vendor_text(vendor, note.namesz == 0 ? 0 : note.namesz - 1);
        BASE_TRY(take_note(vendor_text, note.type, bytes.subspan(desc_at, note.descsz)));
        at = round_up(desc_at + note.descsz);
    }
    return {};
}

Result<void> Parser::take_note(std::string_view vendor, std::uint32_t type, std::span<const std::byte> desc) {
    const bool pvh = vendor == "Xen" && type == elf::xen_note_phys32_entry;
    const bool noxs = vendor == "noxs" && type == elf::noxs_note_entry64;
    if (!pvh && !noxs) {
        return {};
    }
    if (desc.size() != 8 && !(pvh && desc.size() == 4)) {
        return bad("the entry note \"", vendor, "\" has ", desc.size(), " bytes, expected 8");
    }
    std::uint64_t entry = 0;
    std::memcpy(&entry, desc.data(), desc.size());
    std::uint64_t& slot = pvh ? entry_pvh_ : entry64_;
    if (slot != 0 && slot != entry) {
        return bad("two entry notes \"", vendor, "\" disagree: ", Hex{slot}, " and ", Hex{entry});
    }
    if (pvh && entry > UINT32_MAX) {
        return bad("the 32-bit entry ", Hex{entry}, " is above 4 GiB");
    }
    slot = entry;
    return {};
}

Result<void> Parser::check_entry(std::string_view what, std::uint64_t entry) const {
    const bool hit = entry == 0 || std::ranges::any_of(segments_, [entry](const auto& segment) {
                         return entry >= segment.first.begin && entry < segment.first.file_end;
                     });
    if (!hit) {
        return bad("the ", what, " entry ", Hex{entry}, " lies outside the image");
    }
    return {};
}

Result<void> Parser::check_entries() const {
    if (entry64_ == 0 && entry_pvh_ == 0) {
        return bad("it has no entry note: expected \"Xen\" type 18 (PVH) or \"noxs\" type 1 (64-bit)");
    }
    BASE_TRY(check_entry("PVH", entry_pvh_));
    return check_entry("64-bit", entry64_);
}

Result<LoadedImage> Parser::lay_out() const {
    std::uint64_t first = UINT64_MAX;
    std::uint64_t file_end = 0;
    LoadedImage out;
    out.image.begin_gpa = UINT64_MAX;
    for (const auto& [range, index] : segments_) {
        out.image.begin_gpa = std::min(out.image.begin_gpa, range.begin);
        if (range.file_end > range.begin) {  // a stack or bss at the front need not be copied
            first = std::min(first, range.begin & ~(base::page_size - 1));
            file_end = std::max(file_end, range.file_end);
        }
        out.image.end_gpa = std::max(out.image.end_gpa, range.end);
    }
    if (out.image.end_gpa - first > max_image_span.value) {
        return bad("it spans ", Hex{first}, " to ", Hex{out.image.end_gpa}, ", more than ", max_image_span);
    }
    out.run.resize(file_end - first);
    for (const auto& [range, index] : segments_) {
        const ProgramHeader& segment = headers_[index];
        std::copy_n(file_.begin() + static_cast<std::ptrdiff_t>(segment.offset), segment.filesz,
                    out.run.begin() + static_cast<std::ptrdiff_t>(range.begin - first));
    }
    out.image.load_gpa = first;
    out.image.bytes = out.run;
    out.image.entry64 = entry64_;
    out.image.entry_pvh = entry_pvh_;
    return out;
}

}  // namespace

Result<LoadedImage> parse_elf(std::span<const std::byte> file, std::string_view name) {
    return Parser(file, name).run();
}

}  // namespace split
