// SPDX-License-Identifier: Apache-2.0
#include "noxs/console_log.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace noxs {
namespace {

namespace fs = std::filesystem;

struct Log : testing::Test {
    test_support::TempDir folder;
    std::string path = folder.file("5.log");

    ConsoleLog open(std::uint64_t capacity = 16) { return ConsoleLog(path, base::Bytes(capacity)); }
};

void append(ConsoleLog& log, std::string_view text) {
    log.append(text);
}

TEST_F(Log, IsEmptyAndWithoutFileAtFirst) {
    const auto log = open();
    EXPECT_EQ(log.total(), 0U);
    EXPECT_EQ(log.read().bytes, "");
    EXPECT_FALSE(fs::exists(path));
}

TEST_F(Log, KeepsTheNewestBytes) {
    auto log = open();
    append(log, "0123456789");
    EXPECT_EQ(log.read().bytes, "0123456789");
    append(log, "abcdefghij");
    EXPECT_EQ(log.total(), 20U);
    EXPECT_EQ(log.read().offset, 4U);
    EXPECT_EQ(log.read().bytes, "456789abcdefghij");
    append(log, std::string(100, 'x') + "the last sixteen");
    EXPECT_EQ(log.total(), 136U);
    EXPECT_EQ(log.read().bytes, "the last sixteen");
    EXPECT_LE(fs::file_size(path), 32U + 16U);
}

TEST_F(Log, MatchesPlainStringForManySizes) {
    auto log = open(37);
    std::string all;
    for (std::size_t i = 0; i < 200; ++i) {
        const std::string piece((i * 13) % 80, static_cast<char>('a' + i % 26));
        append(log, piece);
        all += piece;
        const auto text = log.read();
        ASSERT_EQ(text.bytes, all.substr(all.size() - std::min<std::size_t>(all.size(), 37)));
        ASSERT_EQ(text.offset + text.bytes.size(), all.size());
    }
}

TEST_F(Log, ContinuesAfterRestart) {
    {
        auto log = open();
        append(log, "before the restart ");
    }
    auto log = open();
    EXPECT_EQ(log.total(), 19U);
    append(log, "after");
    EXPECT_EQ(log.total(), 24U);
    EXPECT_EQ(log.read().bytes, "he restart after");
}

TEST_F(Log, IsReadableByItsOwnerOnly) {
    auto log = open();
    append(log, "secret");
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(Log, DiscardsDamagedFile) {
    {
        auto log = open();
        append(log, "sound");
    }
    const auto size = fs::file_size(path);
    for (std::uint64_t at = 0; at < 32; ++at) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(at));
        const auto byte = static_cast<char>(file.get());
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(byte ^ 0x40));
        file.close();
        EXPECT_EQ(open().total(), 0U) << "byte " << at;
        file.open(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(at));
        file.put(byte);
    }
    EXPECT_EQ(open().total(), 5U);
    fs::resize_file(path, size - 1);
    EXPECT_EQ(open().total(), 0U) << "cut short";
    std::ofstream(path, std::ios::trunc) << "not a log at all";
    auto log = open();
    append(log, "anew");
    EXPECT_EQ(open().read().bytes, "anew");
}

TEST_F(Log, StartsAnewWithAnotherCapacity) {
    {
        auto log = open(16);
        append(log, "sixteen");
    }
    auto log = open(64);
    EXPECT_EQ(log.total(), 0U);
    append(log, "more");
    EXPECT_EQ(open(64).read().bytes, "more");
}

TEST_F(Log, GoesOnInMemoryWhereThereIsNoFolder) {
    ConsoleLog log(folder.file("missing/5.log"), base::Bytes(16));
    append(log, "0123456789");
    append(log, "abcdefghij");
    EXPECT_EQ(log.total(), 20U);
    EXPECT_EQ(log.read().bytes, "456789abcdefghij");
    append(log, std::string(50, 'x'));
    EXPECT_EQ(log.read().bytes, std::string(16, 'x'));
    EXPECT_EQ(log.read().offset, 54U);
}

TEST_F(Log, TouchesNoDeviceFifoOrLink) {
    ConsoleLog device("/dev/full", base::Bytes(16));
    append(device, "x");
    EXPECT_EQ(device.read().bytes, "x");

    ASSERT_EQ(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
    ConsoleLog fifo(folder.file("fifo"), base::Bytes(16));
    append(fifo, "y");
    EXPECT_EQ(fifo.read().bytes, "y");

    std::ofstream(folder.file("target")) << "mine";
    fs::create_symlink(folder.file("target"), folder.file("link"));
    ConsoleLog link(folder.file("link"), base::Bytes(16));
    append(link, "z");
    EXPECT_EQ(link.read().bytes, "z");
    EXPECT_EQ(fs::file_size(folder.file("target")), 4U);
}

/// A disk that is full after `size` bytes of a file, for this process, as long as it lives.
class FullDisk {
 public:
    explicit FullDisk(rlim_t size) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit small{size, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

 private:
    rlimit before_{};
    void (*handler_)(int);
};

TEST_F(Log, GoesOnInMemoryOnFullDisk) {
    auto log = open(100);
    append(log, "on disk, ");
    {
        FullDisk disk(50);
        append(log, "no longer on disk, ");
        append(log, "nor this");
    }
    EXPECT_EQ(log.read().bytes, "on disk, no longer on disk, nor this");
    EXPECT_EQ(log.read().offset, 0U);
    EXPECT_EQ(log.total(), 36U);
    EXPECT_EQ(open(100).read().bytes, "on disk, ") << "the file still holds what it counted";
}

}  // namespace
}  // namespace noxs
