// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/tar.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace guest {
namespace {

std::string entry(const std::string& name, const std::string& content, char type = '0') {
    std::string header(tar_block, '\0');
    std::memcpy(&header[0], name.data(), name.size());
    std::snprintf(&header[124], 12, "%011zo", content.size());
    header[156] = type;
    std::memcpy(&header[257], "ustar\00000", 8);
    std::memset(&header[148], ' ', 8);
    unsigned sum = 0;
    for (const char c : header) {
        sum += static_cast<unsigned char>(c);
    }
    std::snprintf(&header[148], 8, "%06o", sum);
    std::string body = content;
    body.resize((content.size() + tar_block - 1) / tar_block * tar_block);
    return header + body;
}

const std::string end(2 * tar_block, '\0');

TEST(TarReader, ReadsRegularFiles) {
    const std::string archive = entry("dir/", "", '5') + entry("dir/a", "content") + entry("b", std::string(513, 'b')) +
                                entry("link", "", '2') + entry("empty", "") + end;
    TarReader reader(archive);
    auto file = reader.next();
    ASSERT_TRUE(file);
    EXPECT_EQ(file->name, "dir/a");
    EXPECT_EQ(file->content, "content");
    file = reader.next();
    ASSERT_TRUE(file);
    EXPECT_EQ(file->content, std::string(513, 'b'));
    file = reader.next();
    ASSERT_TRUE(file);
    EXPECT_EQ(file->name, "empty");
    EXPECT_EQ(file->content, "");
    EXPECT_FALSE(reader.next());
}

TEST(TarReader, StopsAtWhatIsCut) {
    const std::string archive = entry("a", std::string(2000, 'x'));
    for (std::size_t size = 0; size < archive.size(); size += 100) {
        TarReader reader(std::string_view(archive).substr(0, size));
        EXPECT_FALSE(reader.next()) << size;
    }
}

TEST(TarReader, StopsAtAWrongChecksum) {
    std::string archive = entry("a", "x") + end;
    archive[0] = 'b';
    EXPECT_FALSE(TarReader(archive).next());
}

TEST(TarReader, KnowsTheLengthOfAnEntry) {
    EXPECT_EQ(TarReader::blocks_of(entry("a", std::string(513, 'x'))), 3U);
    EXPECT_EQ(TarReader::blocks_of(end), std::nullopt);
    EXPECT_EQ(TarReader::blocks_of(""), std::nullopt);
}

}  // namespace
}  // namespace guest
