// SPDX-License-Identifier: Apache-2.0
// What docs/guest-abi.md promises of the images themselves.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace guest {
namespace {

class ImageTest : public testing::TestWithParam<const char*> {
 protected:
    void SetUp() override {
        std::ifstream in(std::string(CHAOS_BINARY_DIR "/guests/") + GetParam() + ".elf", std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(in), {});
        ASSERT_GT(bytes.size(), sizeof header);
        std::memcpy(&header, bytes.data(), sizeof header);
        segments.resize(header.e_phnum);
        std::memcpy(segments.data(), &bytes[header.e_phoff], segments.size() * sizeof(Elf64_Phdr));
    }

    /// Descriptors of all notes by "vendor:type".
    std::map<std::string, std::uint64_t> notes() const {
        std::map<std::string, std::uint64_t> found;
        for (const auto& segment : segments) {
            for (std::size_t at = 0; segment.p_type == PT_NOTE && at < segment.p_filesz;) {
                Elf64_Nhdr note{};
                const char* start = &bytes[segment.p_offset + at];
                std::memcpy(&note, start, sizeof note);
                const char* name = start + sizeof note;
                const char* value = name + (note.n_namesz + 3) / 4 * 4;
                EXPECT_EQ(note.n_descsz, 8U);
                std::memcpy(&found[std::string(name) + ":" + std::to_string(note.n_type)], value, 8);
                at = static_cast<std::size_t>(value - start) + at + 8;
            }
        }
        return found;
    }

    std::vector<char> bytes;
    Elf64_Ehdr header{};
    std::vector<Elf64_Phdr> segments;
};

TEST_P(ImageTest, IsAnElf64AtOneMebibyte) {
    EXPECT_EQ(std::memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
    EXPECT_EQ(header.e_ident[EI_CLASS], ELFCLASS64);
    EXPECT_EQ(header.e_type, ET_EXEC);
    EXPECT_EQ(header.e_machine, EM_X86_64);
    ASSERT_EQ(segments[0].p_type, static_cast<Elf64_Word>(PT_LOAD));
    EXPECT_EQ(segments[0].p_vaddr, 0x100000U);
    EXPECT_EQ(segments[0].p_filesz, 0U);
    EXPECT_EQ(segments[0].p_memsz, 0x10000U);
}

TEST_P(ImageTest, HasOneRunOfContents) {
    // Those with lwIP; those that are all code: the many ways to go wrong, routers, disks.
    const std::map<std::string_view, unsigned> bigger = {{"daytime", 20}, {"echo", 20},  {"httpd", 20},
                                                         {"fault", 8},    {"pktgen", 8}, {"router", 8}};
    const unsigned pages = bigger.contains(GetParam()) ? bigger.at(GetParam()) : 4;
    unsigned runs = 0;
    for (const auto& segment : segments) {
        if (segment.p_type == PT_LOAD && segment.p_filesz != 0) {
            ++runs;
            EXPECT_EQ(segment.p_vaddr % 4096, 0U);
            EXPECT_EQ(segment.p_vaddr, segment.p_paddr);
            EXPECT_LE(segment.p_filesz, pages * 4096U);
        }
    }
    EXPECT_EQ(runs, 1U);
}

TEST_P(ImageTest, BeginsBehindTheStack) {
    EXPECT_EQ(segments[1].p_vaddr, segments[0].p_vaddr + segments[0].p_memsz);
    EXPECT_EQ(segments[1].p_vaddr, 0x110000U);
}

TEST_P(ImageTest, NamesBothEntries) {
    const auto entries = notes();
    ASSERT_TRUE(entries.contains("Xen:18"));
    ASSERT_TRUE(entries.contains("noxs:1"));
    EXPECT_EQ(entries.at("noxs:1"), header.e_entry);
    for (const auto& [name, entry] : entries) {
        EXPECT_GE(entry, segments[1].p_vaddr) << name;
        EXPECT_LT(entry, segments[1].p_vaddr + segments[1].p_filesz) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(Guests, ImageTest,
                         testing::Values("noop", "hello", "echo", "spin", "smp", "fault", "daytime", "httpd", "pktgen",
                                         "router"));

class NoopImageTest : public ImageTest {};

/// Every image carries every platform; of a guest that does nothing, that is most. Drivers give three pages of an image
/// before the launch (process_abi.hpp: warm_image_*), and each counts 8,000 times.
TEST_P(NoopImageTest, TouchesTwoPages) {
    EXPECT_LE(segments[1].p_memsz, 2 * 4096U);
    EXPECT_LT(bytes.size(), 16 * 1024U);
}

INSTANTIATE_TEST_SUITE_P(Guests, NoopImageTest, testing::Values("noop"));

}  // namespace
}  // namespace guest
