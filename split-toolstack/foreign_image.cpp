// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/foreign_image.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "split-toolstack/elf_format.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using base::Code;
using base::fail;

/// What a file may make us look at: more is taken for damage.
constexpr unsigned max_headers = 4096;
constexpr unsigned max_notes = 4096;

bool inside(std::uint64_t offset, std::uint64_t size, std::uint64_t total) {
    return offset <= total && size <= total - offset;
}

bool begins_with(std::span<const std::byte> file, std::string_view magic) {
    return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

/// A copy of the T at `offset`, if the file reaches that far.
template <class T>
std::optional<T> copy(std::span<const std::byte> file, std::uint64_t offset) {
    if (!inside(offset, sizeof(T), file.size())) {
        return std::nullopt;
    }
    T out;
    std::memcpy(&out, file.data() + offset, sizeof out);
    return out;
}

/// The notes of vendor "Xen" by their type, below 32, and whether there is one of vendor "noxs".
struct Notes {
    std::array<std::optional<std::string_view>, 32> xen{};  // content up to its first NUL
    bool any_xen{false};
    bool noxs{false};
    unsigned left{max_notes};

    bool has(std::uint32_t type) const { return xen[type].has_value(); }
    std::string_view text(std::uint32_t type) const { return xen[type].value_or(std::string_view()); }
    bool found() const { return any_xen || noxs; }
    void add(const Notes& more) {
        for (std::size_t i = 0; i < xen.size(); ++i) {
            xen[i] = more.xen[i] ? more.xen[i] : xen[i];
        }
        any_xen = any_xen || more.any_xen;
        noxs = noxs || more.noxs;
        left = more.left;
    }
};

std::string_view text_of(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return text.substr(0, text.find('\0'));
}

void read_notes(std::span<const std::byte> notes, std::uint64_t align, Notes& out) {
    const auto round_up = [align](std::uint64_t n) { return (n + align - 1) & ~(align - 1); };
    for (std::uint64_t at = 0; out.left != 0; --out.left) {
        const auto note = copy<elf::NoteHeader>(notes, at);
        if (!note) {
            return;
        }
        const std::uint64_t name_at = at + sizeof *note;
        const std::uint64_t desc_at = round_up(name_at + note->namesz);
        if (!inside(name_at, note->namesz, notes.size()) || !inside(desc_at, note->descsz, notes.size())) {
            return;
        }
        const std::string_view vendor(reinterpret_cast<const char*>(notes.data() + name_at), note->namesz);
        out.noxs = out.noxs || vendor == std::string_view("noxs", 5);
        if (vendor == std::string_view("Xen", 4)) {
            out.any_xen = true;
            if (note->type < out.xen.size()) {
                out.xen[note->type] = text_of(notes.subspan(desc_at, note->descsz));
            }
        }
        at = round_up(desc_at + note->descsz);
    }
}

/// The structures of one ELF class.
struct Elf64 {
    using File = elf::FileHeader;
    using Program = elf::ProgramHeader;
    using Section = elf::SectionHeader;
};
struct Elf32 {
    using File = elf::FileHeader32;
    using Program = elf::ProgramHeader32;
    using Section = elf::SectionHeader32;
};

/// Looks for notes where Xen's loader looks, in its order: note segments, note sections, the section __xen_guest.
template <class Class>
class Scan {
 public:
    Scan(std::span<const std::byte> file, const typename Class::File& header) : file_(file), header_(header) {}

    Notes run() {
        for_each<typename Class::Program>(header_.phoff, header_.phnum, header_.phentsize, [this](const auto& segment) {
            if (segment.type == elf::segment_note && segment.offset != 0) {
                read(segment.offset, segment.filesz, segment.align);
            }
        });
        if (!notes_.found()) {
            for_each<typename Class::Section>(header_.shoff, header_.shnum, header_.shentsize,
                                              [this](const auto& section) {
                                                  if (section.type == elf::section_note) {
                                                      read(section.offset, section.size, section.addralign);
                                                  }
                                              });
        }
        return notes_;
    }

    bool has_section(std::string_view name) const {
        const auto names = section(header_.shstrndx);
        bool found = false;
        for_each<typename Class::Section>(header_.shoff, header_.shnum, header_.shentsize, [&](const auto& section) {
            const bool fits =
                names && section.name < names->size() && inside(section.offset, section.size, file_.size());
            found = found || (fits && begins_with(names->subspan(section.name), {name.data(), name.size() + 1}));
        });
        return found;
    }

 private:
    template <class Header, class F>
    void for_each(std::uint64_t offset, unsigned count, unsigned size, F f) const {
        for (unsigned i = 0; i < std::min(count, max_headers) && size == sizeof(Header); ++i) {
            const auto header = offset <= file_.size() ? copy<Header>(file_, offset + std::uint64_t{i} * size)
                                                       : std::optional<Header>();
            if (!header) {
                return;
            }
            f(*header);
        }
    }

    std::optional<std::span<const std::byte>> section(unsigned index) const {
        if (header_.shentsize != sizeof(typename Class::Section) || header_.shoff > file_.size()) {
            return std::nullopt;
        }
        const auto header =
            copy<typename Class::Section>(file_, header_.shoff + std::uint64_t{index} * header_.shentsize);
        if (!header || !inside(header->offset, header->size, file_.size())) {
            return std::nullopt;
        }
        return file_.subspan(header->offset, header->size);
    }

    /// Xen packs notes by 4 whatever the alignment says; others go by it.
    void read(std::uint64_t offset, std::uint64_t size, std::uint64_t align) {
        if (!inside(offset, size, file_.size())) {
            return;
        }
        const auto bytes = file_.subspan(offset, size);
        Notes seen{.left = notes_.left};
        read_notes(bytes, 4, seen);
        if (!seen.found() && align == 8) {
            read_notes(bytes, 8, seen);
        }
        notes_.add(seen);
    }

    std::span<const std::byte> file_;
    const typename Class::File& header_;
    Notes notes_;
};

/// What Xen's loader knows of the note FEATURES (Xen, common/libelf/libelf-dominfo.c).
constexpr std::array known_features = {"writable_page_tables",
                                       "writable_descriptor_tables",
                                       "auto_translated_physmap",
                                       "supervisor_mode_kernel",
                                       "pae_pgdir_above_4gb",
                                       "hvm_callback_vector",
                                       "dom0"};

/// Why Xen's loader will not take a PV kernel of these notes, which it says to nobody; empty: it may.
std::string objection(const Notes& notes) {
    const auto loader = notes.text(elf::xen_note_loader);
    const auto system = notes.text(elf::xen_note_guest_os);
    if (!loader.starts_with("generic") && !system.starts_with("linux")) {
        return words("its notes ask for the loader '", loader, "' and the system '", system,
                     "', Xen's is for 'generic' or 'linux'");
    }
    const auto version = notes.text(elf::xen_note_xen_version);
    if (!version.starts_with("xen-3.0")) {
        return words("its notes ask for Xen version '", version, "', expected 'xen-3.0'");
    }
    auto features = notes.text(elf::xen_note_features);
    while (!features.empty()) {
        const auto feature = features.substr(0, features.find('|'));
        features.remove_prefix(std::min(features.size(), feature.size() + 1));
        if (feature.starts_with('!') && std::ranges::find(known_features, feature.substr(1)) == known_features.end()) {
            return words("its notes require the feature '", feature.substr(1), "', which Xen's loader does not know");
        }
    }
    return {};
}

template <class Class>
Result<ImageOffer> classify_elf(std::span<const std::byte> file, std::string_view name) {
    const auto header = copy<typename Class::File>(file, 0);
    if (!header || header->ident[elf::ident_data] != elf::data_little) {
        return ImageOffer{};
    }
    Scan<Class> scan(file, *header);
    const Notes notes = scan.run();
    if (notes.noxs) {
        return ImageOffer{};
    }
    ImageOffer offer{.format = ImageFormat::elf};
    offer.pvh = notes.has(elf::xen_note_phys32_entry);
    const auto against_pv = notes.any_xen ? objection(notes) : std::string();
    // Without the PVH entry any note of Xen's means PV.
    offer.pv = offer.pvh ? against_pv.empty() : notes.any_xen || scan.has_section("__xen_guest");
    if (!offer.pvh && !offer.pv) {
        return ImageOffer{};
    }
    if (!offer.pvh && !against_pv.empty()) {
        return fail(Code::invalid_image, words(name, ": a PV kernel that Xen does not boot: ", against_pv));
    }
    if (header->machine != elf::machine_x86_64 && header->machine != elf::machine_386) {
        return fail(Code::invalid_image, words(name, ": it is built for ELF machine ", header->machine,
                                               ", expected 62 (x86-64) or 3 (386)"));
    }
    return offer;
}

/// Linux, Documentation/arch/x86/boot.rst.
namespace bzimage {
constexpr std::uint64_t setup_sects = 0x1f1;     // u8
constexpr std::uint64_t boot_flag = 0x1fe;       // u16
constexpr std::uint64_t magic = 0x202;           // "HdrS"
constexpr std::uint64_t version = 0x206;         // u16
constexpr std::uint64_t payload_offset = 0x248;  // u32, from protocol 2.08 on
constexpr std::uint64_t payload_length = 0x24c;  // u32
constexpr std::uint16_t boot_flag_value = 0xaa55;
constexpr std::uint16_t oldest_version = 0x208;
constexpr std::uint64_t sector = 512;
}  // namespace bzimage

bool is_bzimage(std::span<const std::byte> file) {
    return copy<std::uint16_t>(file, bzimage::boot_flag) == bzimage::boot_flag_value && file.size() > bzimage::magic &&
           begins_with(file.subspan(bzimage::magic), "HdrS");
}

Result<ImageOffer> classify_bzimage(std::span<const std::byte> file, std::string_view name) {
    const auto version = copy<std::uint16_t>(file, bzimage::version);
    if (version && *version < bzimage::oldest_version) {
        return fail(Code::invalid_image, words(name, ": a Linux kernel of boot protocol ", Hex{*version},
                                               ", Xen's loader needs 0x208 (Linux 2.6.24) or later"));
    }
    const auto sectors = copy<std::uint8_t>(file, bzimage::setup_sects);
    const auto offset = copy<std::uint32_t>(file, bzimage::payload_offset);
    const auto length = copy<std::uint32_t>(file, bzimage::payload_length);
    // A kernel that says 0 sectors has 4, but none that Xen can boot says so.
    if (!version || !sectors || !offset || !length ||
        !inside((*sectors + std::uint64_t{1}) * bzimage::sector + *offset, *length, file.size())) {
        return fail(Code::invalid_image, words(name, ": it is truncated: a Linux kernel of ", file.size(),
                                               " bytes, its payload lies beyond"));
    }
    if (*length == 0) {
        return fail(Code::invalid_image, words(name, ": a Linux kernel without a payload"));
    }
    return ImageOffer{.format = ImageFormat::bzimage, .pvh = true, .pv = true};
}

}  // namespace

Result<ImageOffer> classify_image(std::span<const std::byte> file, std::string_view name) {
    if (begins_with(file, "\x1f\x8b")) {
        return fail(Code::invalid_image, words(name, ": it is compressed: gunzip it first"));
    }
    if (is_bzimage(file)) {
        return classify_bzimage(file, name);
    }
    if (file.size() <= elf::ident_class || !begins_with(file,
                                                        "\x7f"
                                                        "ELF")) {
        return ImageOffer{};
    }
    switch (static_cast<unsigned char>(file[elf::ident_class])) {
        case elf::class_64: return classify_elf<Elf64>(file, name);
        case elf::class_32: return classify_elf<Elf32>(file, name);
        default: return ImageOffer{};
    }
}

Result<hypervisor::GuestKind> choose_kind(const ImageOffer& offer, std::optional<bool> pvh, std::string_view path) {
    using hypervisor::GuestKind;
    if (!offer.foreign()) {
        if (pvh == false) {
            return fail(Code::invalid_config, words("kernel '", path,
                                                    "': it is a noxs image, which is not built for PV; remove "
                                                    "\"xen.pvh\": false"));
        }
        return GuestKind::native;
    }
    const bool want_pvh = pvh.value_or(offer.pvh);
    if (want_pvh ? !offer.pvh : !offer.pv) {
        return fail(Code::invalid_config, words("kernel '", path, "': \"xen.pvh\" is ", want_pvh ? "true" : "false",
                                                ", but it is ", describe(offer)));
    }
    return want_pvh ? GuestKind::pvh : GuestKind::pv;
}

std::string describe(const ImageOffer& offer) {
    switch (offer.format) {
        case ImageFormat::native: return "a noxs image";
        case ImageFormat::bzimage: return "a Linux kernel (bzImage)";
        case ImageFormat::elf: break;
    }
    return words("an ELF kernel for Xen (", offer.pvh && offer.pv ? "PVH and PV" : offer.pvh ? "PVH" : "PV", ")");
}

}  // namespace split
