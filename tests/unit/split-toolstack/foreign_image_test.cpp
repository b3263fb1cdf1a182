// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/foreign_image.hpp"

#include <gmock/gmock.h>

#include "tests/support/elf_builder.hpp"

namespace split {
namespace {

using hypervisor::GuestKind;
using test_support::build_bzimage;
using test_support::build_elf;
using test_support::build_elf32;
using test_support::ElfPlan;
using testing::HasSubstr;

using Notes = std::vector<ElfPlan::Note>;
const Notes pvh_notes{{"Xen", elf::xen_note_phys32_entry, 0x100000}};

/// At most seven characters as the content of a note.
std::uint64_t text(std::string_view words) {
    std::uint64_t value = 0;
    std::memcpy(&value, words.data(), std::min<std::size_t>(words.size(), 7));
    return value;
}
const Notes pv_notes{{"Xen", elf::xen_note_loader, text("generic")},
                     {"Xen", elf::xen_note_xen_version, text("xen-3.0")}};
constexpr ImageOffer only_pvh{.format = ImageFormat::elf, .pvh = true};
constexpr ImageOffer only_pv{.format = ImageFormat::elf, .pv = true};
constexpr ImageOffer either{.format = ImageFormat::elf, .pvh = true, .pv = true};

std::vector<std::byte> elf_of(Notes notes) {
    ElfPlan plan;
    plan.notes = std::move(notes);
    return build_elf(plan);
}
Notes joined(Notes a, const Notes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}
ImageOffer offer_of(std::span<const std::byte> file) {
    const auto offer = classify_image(file, "k");
    EXPECT_TRUE(offer) << (offer ? "" : offer.error().message);
    return offer.value_or(ImageOffer{});
}
std::string error_of(std::span<const std::byte> file) {
    const auto offer = classify_image(file, "k");
    EXPECT_FALSE(offer);
    EXPECT_EQ(offer ? base::Code::internal : offer.error().code, base::Code::invalid_image);
    return offer ? "" : offer.error().message;
}

TEST(ForeignImage, OursAreNative) {
    EXPECT_EQ(offer_of(build_elf({})), ImageOffer{}) << "the note of vendor noxs counts, whatever else there is";
    EXPECT_EQ(offer_of(elf_of({{"noxs", 1, 0x100008}})), ImageOffer{});
    EXPECT_EQ(offer_of(elf_of({{"GNU", 3, 7}})), ImageOffer{}) << "parse_elf says what is wrong";
    EXPECT_EQ(offer_of({}), ImageOffer{});
}

TEST(ForeignImage, GoesByTheNotesOfXen) {
    EXPECT_EQ(offer_of(elf_of(pvh_notes)), only_pvh);
    EXPECT_EQ(offer_of(elf_of(pv_notes)), only_pv);
    EXPECT_EQ(offer_of(elf_of(joined(pv_notes, pvh_notes))), either);
    EXPECT_EQ(offer_of(elf_of(joined({{"Xen", elf::xen_note_guest_os, 0}}, pvh_notes))), only_pvh)
        << "the PV loader wants a Xen version";
}

TEST(ForeignImage, SaysWhyXenDoesNotBootAPvKernel) {
    const auto refused = [](const Notes& notes) {
        const auto offer = classify_image(elf_of(notes), "k");
        EXPECT_FALSE(offer);
        EXPECT_EQ(offer.error().code, base::Code::invalid_image);
        return offer.error().message;
    };
    const auto with = [](std::string_view loader, std::string_view version, std::string_view features) {
        return Notes{{"Xen", elf::xen_note_loader, text(loader)},
                     {"Xen", elf::xen_note_xen_version, text(version)},
                     {"Xen", elf::xen_note_features, text(features)}};
    };
    EXPECT_TRUE(classify_image(elf_of(with("generic", "xen-3.0", "!dom0|x")), "k"));
    EXPECT_TRUE(classify_image(
        elf_of({{"Xen", elf::xen_note_guest_os, text("linux")}, {"Xen", elf::xen_note_xen_version, text("xen-3.0")}}),
        "k"));
    EXPECT_THAT(refused(with("home", "xen-3.0", "")), testing::HasSubstr("the loader 'home'"));
    EXPECT_THAT(refused(with("generic", "xen-9", "")), testing::HasSubstr("Xen version 'xen-9'"));
    EXPECT_THAT(refused(with("generic", "xen-3.0", "a|!warp")), testing::HasSubstr("the feature 'warp'"));
    EXPECT_THAT(refused({{"Xen", 999, 0}}), testing::HasSubstr("the loader ''"));
}

TEST(ForeignImage, ReadsBothClasses) {
    EXPECT_EQ(offer_of(build_elf32(pvh_notes)), only_pvh);
    EXPECT_EQ(offer_of(build_elf32(joined(pv_notes, pvh_notes))), either);
    EXPECT_EQ(offer_of(build_elf32({})), ImageOffer{});
    EXPECT_EQ(offer_of(build_elf32({}, "__xen_guest")), only_pv);
    EXPECT_EQ(offer_of(build_elf32({}, "__xen_guests")), ImageOffer{});
}

TEST(ForeignImage, FindsNotesInSectionsOnly) {
    auto file = elf_of(pvh_notes);
    elf::ProgramHeader notes;
    std::memcpy(&notes, file.data() + sizeof(elf::FileHeader) + sizeof notes, sizeof notes);
    elf::SectionHeader section{};
    section.type = elf::section_note;
    section.offset = notes.offset;
    section.size = notes.filesz;
    test_support::edit_segment(file, 1, [](auto& segment) { segment.type = 0; });
    EXPECT_EQ(offer_of(file), ImageOffer{});
    test_support::edit_header(file, [&file](auto& header) {
        header.shoff = file.size();
        header.shentsize = sizeof section;
        header.shnum = 1;
    });
    const auto* bytes = reinterpret_cast<const std::byte*>(&section);
    file.insert(file.end(), bytes, bytes + sizeof section);
    EXPECT_EQ(offer_of(file), only_pvh);
}

TEST(ForeignImage, DamageIsNoNote) {
    for (const auto& file : {elf_of(joined(pv_notes, pvh_notes)), build_elf32(pvh_notes, "__xen_guest")}) {
        for (std::size_t size = 0; size < file.size(); ++size) {
            EXPECT_TRUE(classify_image(std::span(file).first(size), "k")) << size;
        }
    }
    auto file = elf_of(pvh_notes);
    test_support::edit_segment(file, 1, [](auto& segment) { segment.offset = UINT64_MAX - 8; });
    EXPECT_EQ(offer_of(file), ImageOffer{});
    test_support::edit_header(file, [](auto& header) {
        header.phoff = header.shoff = UINT64_MAX - 8;
        header.shnum = header.shstrndx = header.phnum = 0xffff;
        header.shentsize = sizeof(elf::SectionHeader);
    });
    EXPECT_EQ(offer_of(file), ImageOffer{});
}

TEST(ForeignImage, KnowsLinux) {
    constexpr ImageOffer bzimage{.format = ImageFormat::bzimage, .pvh = true, .pv = true};
    EXPECT_EQ(offer_of(build_bzimage()), bzimage);
    auto other = build_bzimage();
    other[0x1fe] = std::byte{0};
    EXPECT_EQ(offer_of(other), ImageOffer{});
    EXPECT_THAT(error_of(build_bzimage(1000, 0x207)), HasSubstr("boot protocol 0x207"));
    EXPECT_THAT(error_of(build_bzimage(0)), HasSubstr("without a payload"));
    const auto file = build_bzimage();
    EXPECT_THAT(error_of(std::span(file).first(file.size() - 1)), HasSubstr("truncated"));
    EXPECT_THAT(error_of(std::span(file).first(0x206)), HasSubstr("truncated"));
    auto beyond = build_bzimage();
    std::memset(beyond.data() + 0x248, 0xff, 8);
    EXPECT_THAT(error_of(beyond), HasSubstr("truncated"));
}

TEST(ForeignImage, NamesTheCure) {
    const std::string gzip = "\x1f\x8b\x08 and so on";
    EXPECT_THAT(error_of(std::as_bytes(std::span(gzip))), HasSubstr("gunzip"));
    auto arm = elf_of(pvh_notes);
    test_support::edit_header(arm, [](auto& header) { header.machine = 183; });
    EXPECT_THAT(error_of(arm), HasSubstr("ELF machine 183"));
}

TEST(ForeignImage, ChoosesPvhUnlessForced) {
    EXPECT_EQ(choose_kind({}, {}, "k"), GuestKind::native);
    EXPECT_EQ(choose_kind({}, true, "k"), GuestKind::native);
    EXPECT_EQ(choose_kind(either, {}, "k"), GuestKind::pvh);
    EXPECT_EQ(choose_kind(either, true, "k"), GuestKind::pvh);
    EXPECT_EQ(choose_kind(either, false, "k"), GuestKind::pv);
    EXPECT_EQ(choose_kind(only_pvh, {}, "k"), GuestKind::pvh);
    EXPECT_EQ(choose_kind(only_pv, {}, "k"), GuestKind::pv);
    const auto message = [](const ImageOffer& offer, bool pvh) {
        const auto kind = choose_kind(offer, pvh, "k");
        EXPECT_EQ(kind ? base::Code::internal : kind.error().code, base::Code::invalid_config);
        return kind ? "" : kind.error().message;
    };
    EXPECT_THAT(message(only_pvh, false), HasSubstr("\"xen.pvh\" is false, but it is an ELF kernel for Xen (PVH)"));
    EXPECT_THAT(message(only_pv, true), HasSubstr("\"xen.pvh\" is true, but it is an ELF kernel for Xen (PV)"));
    EXPECT_THAT(message({}, false), HasSubstr("noxs image"));
}

}  // namespace
}  // namespace split
