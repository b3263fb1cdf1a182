// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/elf.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "tests/support/elf_builder.hpp"

namespace split {
namespace {

using test_support::build_elf;
using test_support::edit_header;
using test_support::edit_segment;
using test_support::ElfPlan;
using testing::HasSubstr;

std::string error_of(const std::vector<std::byte>& file) {
    const auto loaded = parse_elf(file, "kernel 'x'");
    EXPECT_FALSE(loaded.has_value());
    if (loaded) {
        return "accepted";
    }
    EXPECT_EQ(loaded.error().code, base::Code::invalid_image);
    EXPECT_THAT(loaded.error().message, HasSubstr("kernel 'x'"));
    return loaded.error().message;
}

std::string text_at(const LoadedImage& image, std::uint64_t gpa, std::size_t size) {
    const auto bytes = image.image.bytes.subspan(gpa - image.image.load_gpa, size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Elf, LaysOutOneSegment) {
    const auto loaded = parse_elf(build_elf({}), "x");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->image.load_gpa, 0x100000u);
    EXPECT_EQ(loaded->image.end_gpa, 0x102000u);
    EXPECT_EQ(loaded->image.entry_pvh, 0x100004u);
    EXPECT_EQ(loaded->image.entry64, 0x100008u);
    EXPECT_EQ(text_at(*loaded, 0x100000, 4), "code");
    EXPECT_EQ(loaded->image.bytes.size(), ElfPlan::Segment{}.content.size());
}

TEST(Elf, ZeroesGapsAndRoundsTheStartDown) {
    ElfPlan plan;
    plan.segments = {{0x103010, "second", 0x20}, {0x100020, "first", 0x10}};
    plan.notes[0].value = 0x100020;
    plan.notes[1].value = 0x103010;
    const auto loaded = parse_elf(build_elf(plan), "x");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->image.load_gpa, 0x100000u);
    EXPECT_EQ(loaded->image.end_gpa, 0x103030u);
    EXPECT_EQ(text_at(*loaded, 0x100020, 5), "first");
    EXPECT_EQ(text_at(*loaded, 0x103010, 6), "second");
    EXPECT_EQ(text_at(*loaded, 0x100000, 0x20), std::string(0x20, '\0'));
    EXPECT_EQ(text_at(*loaded, 0x102000, 0x1000), std::string(0x1000, '\0'));
    EXPECT_EQ(loaded->image.bytes.size(), 0x3016u);
}

TEST(Elf, DoesNotCopyAStackThatLiesInFront) {
    ElfPlan plan;
    plan.segments = {{.paddr = 0x100000, .content = "", .memsz = 0x10000}, {.paddr = 0x110000}};
    plan.notes = {{"noxs", elf::noxs_note_entry64, 0x110008}};
    const auto image = parse_elf(build_elf(plan), "x");
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->image.load_gpa, 0x110000U);
    EXPECT_EQ(image->image.bytes.size(), ElfPlan::Segment{}.content.size());
    EXPECT_EQ(image->image.end_gpa, 0x112000U);
}

TEST(Elf, OneEntryIsEnough) {
    ElfPlan plan;
    plan.notes.pop_back();
    const auto pvh = parse_elf(build_elf(plan), "x");
    ASSERT_TRUE(pvh) << pvh.error().message;
    EXPECT_EQ(pvh->image.entry64, 0u);
    plan.notes = {{"noxs", 1, 0x100008}};
    const auto noxs = parse_elf(build_elf(plan), "x");
    ASSERT_TRUE(noxs) << noxs.error().message;
    EXPECT_EQ(noxs->image.entry_pvh, 0u);
}

TEST(Elf, SkipsNotesOfOthers) {
    ElfPlan plan;
    plan.notes.insert(plan.notes.begin(), {{"GNU", 3, 7}, {"Xen", 5, 0}, {"noxs", 99, 1}});
    EXPECT_TRUE(parse_elf(build_elf(plan), "x"));
}

TEST(Elf, RejectsWhatIsNoElf) {
    EXPECT_THAT(error_of({}), HasSubstr("no ELF image"));
    EXPECT_THAT(error_of(std::vector<std::byte>(4096)), HasSubstr("no ELF image"));
}

TEST(Elf, RejectsEveryTruncation) {
    const auto whole = build_elf({});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        error_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    }
}

TEST(Elf, RejectsOtherKindsOfElf) {
    const auto changed = [](const std::function<void(elf::FileHeader&)>& change) {
        auto file = build_elf({});
        edit_header(file, change);
        return error_of(file);
    };
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.ident[4] = 1; }), HasSubstr("class 1"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.ident[5] = 2; }), HasSubstr("encoding 2"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.machine = 183; }), HasSubstr("machine 183"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.type = 3; }), HasSubstr("type 3"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.phentsize = 32; }), HasSubstr("of 32 bytes"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.phnum = 65; }), HasSubstr("65 program headers"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.phnum = 0xffff; }), HasSubstr("65535 program headers"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.phnum = 0; }), HasSubstr("no segment"));
    EXPECT_THAT(changed([](elf::FileHeader& h) { h.phoff = UINT64_MAX - 8; }), HasSubstr("truncated"));
}

TEST(Elf, RejectsBadSegments) {
    const auto changed = [](const std::function<void(elf::ProgramHeader&)>& change) {
        auto file = build_elf({});
        edit_segment(file, 0, change);
        return error_of(file);
    };
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.memsz = s.filesz - 1; }), HasSubstr("in memory"));
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.offset = UINT64_MAX - 4; }),
                HasSubstr("beyond the end of the file"));
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.filesz = s.memsz = UINT64_MAX; }),
                HasSubstr("beyond the end of the file"));
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.paddr = 0xff000; }), HasSubstr("0xff000"));
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.memsz = UINT64_MAX; }), HasSubstr("wraps around"));
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.memsz = 0x40000000; }), HasSubstr("more than 256 MiB"));
    EXPECT_THAT(changed([](elf::ProgramHeader& s) { s.type = 7; }), HasSubstr("no segment"));
}

TEST(Elf, RejectsASpanOfTerabytesInASmallFile) {
    ElfPlan plan;
    plan.segments.push_back({1ULL << 45, "far", 3});
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("more than 256 MiB"));
}

TEST(Elf, RejectsOverlap) {
    ElfPlan plan;
    plan.segments.push_back({0x101fff, "x", 1});
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("overlap"));
}

TEST(Elf, RejectsBadEntries) {
    ElfPlan plan;
    plan.notes = {};
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("no entry note"));
    plan.notes = {{"noxs", 1, 0x200000}};
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("0x200000 lies outside"));
    plan.notes = {{"noxs", 1, 0x101000}};
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("outside")) << "an entry in bss runs zeroes";
    plan.notes = {{"Xen", 18, 0x100000}, {"Xen", 18, 0x100004}};
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("disagree"));
    plan.notes = {{"Xen", 18, 1ULL << 32}};
    EXPECT_THAT(error_of(build_elf(plan)), HasSubstr("above 4 GiB"));
}

TEST(Elf, RejectsNotesThatRunOut) {
    const auto changed = [](std::size_t at, std::uint32_t value) {
        auto file = build_elf({});
        split::elf::ProgramHeader notes;
        std::memcpy(&notes, file.data() + sizeof(elf::FileHeader) + sizeof notes, sizeof notes);
        std::memcpy(file.data() + notes.offset + at, &value, sizeof value);
        return error_of(file);
    };
    EXPECT_THAT(changed(0, UINT32_MAX), HasSubstr("runs out"));
    EXPECT_THAT(changed(4, UINT32_MAX), HasSubstr("runs out"));
    EXPECT_THAT(changed(4, 5), HasSubstr("has 5 bytes"));
}

}  // namespace
}  // namespace split
