// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/symbols.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "symbol_image.hpp"
#include "tests/support/elf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace split {
namespace {

using test::TestSymbol;
using test_support::edit_header;
using testing::HasSubstr;
using testing::Optional;
using testing::StartsWith;

constexpr std::uint64_t base_address = 0x100000;
using Bytes = std::vector<std::byte>;

ReadAt reader(Bytes file) {
    return [file = std::move(file)](std::uint64_t offset, std::span<std::byte> into) {
        if (offset > file.size() || into.size() > file.size() - offset) {
            return false;
        }
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
        return true;
    };
}

Bytes image(const std::vector<TestSymbol>& symbols) {
    return test::with_symbols(test_support::build_elf({.segments = {{.content = std::string(0x100, '\x90')}}}),
                              symbols);
}

Symbols read(const std::vector<TestSymbol>& symbols) {
    auto read = Symbols::read(reader(image(symbols)));
    EXPECT_TRUE(read) << read.error().message;
    return *std::move(read);
}

std::string error_of(Bytes file) {
    const auto read = Symbols::read(reader(std::move(file)));
    return read ? "" : read.error().message;
}

TEST(Symbols, NameTheFunctionAndHowFarIn) {
    const auto symbols = read({{"_ZN5guest4walkEi", base_address + 0x10, 0x20}, {"main", base_address + 0x30, 8}});
    EXPECT_THAT(symbols.name(base_address + 0x10), Optional(std::string("guest::walk(int)+0x0")));
    EXPECT_THAT(symbols.name(base_address + 0x2f), Optional(std::string("guest::walk(int)+0x1f")));
    EXPECT_THAT(symbols.name(base_address + 0x37), Optional(std::string("main+0x7")));
    EXPECT_FALSE(symbols.name(base_address + 0xf));
    EXPECT_FALSE(symbols.name(base_address + 0x38));
    EXPECT_FALSE(symbols.name(0xdead0000));
    EXPECT_FALSE(symbols.name(0));
    EXPECT_FALSE(symbols.name(UINT64_MAX));
}

TEST(Symbols, CallerIsTheFunctionOfTheCallAlsoAtItsEnd) {
    const auto symbols = read({{"f", base_address, 0x10}, {"g", base_address + 0x10, 0x10}});
    EXPECT_THAT(symbols.caller(base_address + 0x10), Optional(std::string("f+0x10")));
    EXPECT_FALSE(symbols.caller(base_address));
    EXPECT_FALSE(symbols.caller(0));
}

TEST(Symbols, LabelsReachUpToTheNextSymbol) {
    const auto symbols = read({{"entry", base_address, 0, elf::symbol_label},
                               {"f", base_address + 8, 8},
                               {"inside", base_address + 10, 0, elf::symbol_label},
                               {"tail", base_address + 0x20, 0, elf::symbol_label}});
    EXPECT_THAT(symbols.name(base_address + 7), Optional(std::string("entry+0x7")));
    EXPECT_THAT(symbols.name(base_address + 12), Optional(std::string("f+0x4")));
    EXPECT_THAT(symbols.name(base_address + 0xff), Optional(std::string("tail+0xdf")));
    EXPECT_FALSE(symbols.name(base_address + 0x100));
}

TEST(Symbols, WhatIsNoFunctionHasNoSay) {
    constexpr unsigned object = 1;
    const auto symbols = read({{"f", base_address, 0x80},
                               {"data", base_address + 4, 0x10, object},
                               {"absolute", base_address + 8, 0x10, elf::symbol_function, 0xfff1},
                               {"elsewhere", base_address + 8, 0x10, elf::symbol_function, test::table_index},
                               {"", base_address + 8, 0x10}});
    EXPECT_THAT(symbols.name(base_address + 9), Optional(std::string("f+0x9")));
}

TEST(Symbols, NamesAreCutCleanedAndNotBlownUp) {
    const std::string bomb = "_Z1f" + std::string(200, 'P') + "i";
    const auto symbols = read({{std::string(1000, 'x'), base_address, 8},
                               {"a\x1b[2J\n\xff z", base_address + 8, 8},
                               {bomb, base_address + 16, 8},
                               {"_Znonsense", base_address + 24, 8}});
    EXPECT_EQ(symbols.name(base_address), std::string(Symbols::max_name, 'x') + "...+0x0");
    EXPECT_THAT(symbols.name(base_address + 8), Optional(std::string("a?[2J???z+0x0")));
    EXPECT_EQ(symbols.name(base_address + 16), bomb + "+0x0");
    EXPECT_THAT(symbols.name(base_address + 24), Optional(std::string("_Znonsense+0x0")));
}

TEST(Symbols, FilesWithoutSymbolsSaySo) {
    EXPECT_THAT(error_of(test_support::build_elf({})), HasSubstr("no symbols"));
    EXPECT_THAT(error_of({}), HasSubstr("no 64-bit ELF"));
    EXPECT_THAT(error_of(test_support::build_elf32({})), HasSubstr("no 64-bit ELF"));
}

TEST(Symbols, DamagedTablesAreErrors) {
    const auto with = [](unsigned section, auto change) {
        auto file = image({{"f", base_address, 8}});
        test::edit_section(file, section, change);
        return error_of(std::move(file));
    };
    using Section = elf::SectionHeader;
    const auto table = test::table_index;
    EXPECT_THAT(with(table, [](Section& s) { s.offset = UINT64_MAX - 4; }), HasSubstr("beyond its end"));
    EXPECT_THAT(with(table, [](Section& s) { s.size = 24000; }), HasSubstr("beyond its end"));
    EXPECT_THAT(with(table, [](Section& s) { s.size = UINT64_MAX - 15; }), HasSubstr("at most"));
    EXPECT_THAT(with(table, [](Section& s) { s.size = 25; }), HasSubstr("of 24 bytes"));
    EXPECT_THAT(with(table, [](Section& s) { s.entsize = 0; }), HasSubstr("of 0 bytes"));
    EXPECT_THAT(with(table, [](Section& s) { s.link = 99; }), HasSubstr("no names"));
    EXPECT_THAT(with(table, [](Section& s) { s.link = test::code_index; }), HasSubstr("no names"));
    auto many = image({});
    edit_header(many, [](auto& header) { header.shnum = Symbols::max_sections + 1; });
    EXPECT_THAT(error_of(many), HasSubstr("sections"));
    auto outside = image({});
    edit_header(outside, [](auto& header) { header.shoff = UINT64_MAX - 8; });
    EXPECT_THAT(error_of(outside), HasSubstr("beyond its end"));
}

TEST(Symbols, NamesOutsideTheirSectionAreNone) {
    const auto names = [](auto change) {
        auto file = image({{"f", base_address, 8}});
        test::edit_section(file, test::strings_index, change);
        auto symbols = Symbols::read(reader(std::move(file)));
        return symbols ? symbols->name(base_address) : std::string("error");
    };
    using Section = elf::SectionHeader;
    EXPECT_FALSE(names([](Section& s) { s.size = 1; }));
    EXPECT_FALSE(names([](Section& s) { s.size = 0; }));
    EXPECT_FALSE(names([](Section& s) { s.offset = UINT64_MAX; }));
    EXPECT_FALSE(names([](Section& s) { s.offset = 1 << 30; }));
}

TEST(Symbols, CodeIsReadOnlyWhereTheFileHasIt) {
    const auto symbols = read({});
    Bytes into(0x100);
    EXPECT_TRUE(symbols.read_code(base_address, into));
    EXPECT_EQ(into[0xff], std::byte{0x90});
    EXPECT_FALSE(symbols.read_code(base_address + 1, into));
    EXPECT_FALSE(symbols.read_code(base_address - 1, into));
    EXPECT_FALSE(symbols.read_code(UINT64_MAX, into));
}

TEST(Symbols, OfARealGuest) {
    const std::string path = CHAOS_BINARY_DIR "/guests/fault.elf";
    if (!std::filesystem::exists(path)) {
        GTEST_SKIP() << path << " is not built (target guests)";
    }
    auto file = open_image(path);
    ASSERT_TRUE(file) << file.error().message;
    const auto symbols = Symbols::read(*std::move(file));
    ASSERT_TRUE(symbols) << symbols.error().message;
    std::vector<std::string> names;
    for (const auto& code : symbols->code()) {
        for (auto at = code.address; at < code.address + code.size; ++at) {
            const auto name = symbols->name(at);
            names.push_back(name.value_or(""));
        }
    }
    EXPECT_THAT(names, testing::Contains(StartsWith("noxs_entry+0x")));
    EXPECT_THAT(names, testing::Contains(StartsWith("guest::run(guest::System&)+0x")));
    EXPECT_THAT(names, testing::Contains(HasSubstr("wild_write(guest::System&)+0x")));
}

TEST(Symbols, OnlyRegularFilesAreOpened) {
    const test_support::TempDir dir;
    ASSERT_EQ(::mkfifo(dir.file("fifo").c_str(), 0600), 0);
    for (const auto& path : {dir.file("missing"), dir.file("fifo"), std::string("/dev/zero"), dir.file(".")}) {
        EXPECT_FALSE(open_image(path)) << path;
    }
}

}  // namespace
}  // namespace split
