// SPDX-License-Identifier: Apache-2.0
#include "noxs/disk.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.hpp"

namespace {

using base::Code;
using noxs::DiskAccess;
using noxs::open_disk;
using testing::HasSubstr;
using wire = noxs::wire::VbdFlag;

bool has(const noxs::VbdSettings& disk, noxs::wire::VbdFlag flag) {
    return (disk.flags & static_cast<std::uint32_t>(flag)) != 0;
}

struct Disk : testing::Test {
    std::string make(std::uint64_t size, const std::string& name = "disk") {
        std::ofstream(dir.file(name)).put('\0');
        std::filesystem::resize_file(dir.file(name), size);
        return dir.file(name);
    }
    Code code_of(const std::string& path, DiskAccess access = DiskAccess::read_only) {
        const auto disk = open_disk(path, access);
        if (disk) {
            return Code::internal;
        }
        message = disk.error().message;
        return disk.error().code;
    }
    test_support::TempDir dir;
    std::string message;
};

TEST_F(Disk, TellsItsShape) {
    const auto disk = open_disk(make(1536), DiskAccess::read_write);
    ASSERT_TRUE(disk);
    EXPECT_EQ(disk->sectors, 3U);
    EXPECT_EQ(disk->sector_size, 512U);
    EXPECT_EQ(disk->path, dir.file("disk"));
    EXPECT_TRUE(has(*disk, wire::flush));
    EXPECT_FALSE(has(*disk, wire::read_only));
    EXPECT_EQ(std::filesystem::file_size(disk->path), 1536U) << "asking for holes changes nothing";
}

TEST_F(Disk, ReadOnlyNeedsNoRightToWrite) {
    const auto path = make(512);
    ::chmod(path.c_str(), 0444);
    const auto disk = open_disk(path, DiskAccess::read_only);
    ASSERT_TRUE(disk);
    EXPECT_EQ(disk->flags, static_cast<std::uint32_t>(wire::read_only));
    EXPECT_EQ(::fcntl(disk->disk.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

TEST_F(Disk, IsNotLeftNonBlocking) {
    const auto disk = open_disk(make(512), DiskAccess::read_write);
    ASSERT_TRUE(disk);
    EXPECT_EQ(::fcntl(disk->disk.get(), F_GETFL) & O_NONBLOCK, 0) << "io_uring would answer EAGAIN";
    EXPECT_NE(::fcntl(disk->disk.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Disk, OneWriter) {
    const auto path = make(512);
    const auto writer = open_disk(path, DiskAccess::read_write);
    ASSERT_TRUE(writer);
    EXPECT_EQ(code_of(path, DiskAccess::read_write), Code::bad_state);
    EXPECT_THAT(message, HasSubstr("in use by another guest or program"));
    EXPECT_EQ(code_of(path, DiskAccess::read_only), Code::bad_state);
}

TEST_F(Disk, ManyReadersAndNoWriter) {
    const auto path = make(512);
    auto first = open_disk(path, DiskAccess::read_only);
    const auto second = open_disk(path, DiskAccess::read_only);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(code_of(path, DiskAccess::read_write), Code::bad_state);
    first->disk.reset();
    EXPECT_EQ(code_of(path, DiskAccess::read_write), Code::bad_state);
}

TEST_F(Disk, TheLockGoesWithItsHolder) {
    const auto path = make(512);
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto held = open_disk(path, DiskAccess::read_write);
        const char said = held ? 'y' : 'n';
        static_cast<void>(!::write(ready[1], &said, 1));
        ::pause();
    }
    char said = 0;
    ASSERT_EQ(::read(ready[0], &said, 1), 1);
    EXPECT_EQ(said, 'y');
    EXPECT_EQ(code_of(path, DiskAccess::read_write), Code::bad_state);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(open_disk(path, DiskAccess::read_write));
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(Disk, SaysWhatIsWrong) {
    EXPECT_EQ(code_of(dir.file("none")), Code::not_found);
    EXPECT_THAT(message, HasSubstr("disk " + dir.file("none") + ": No such file"));
    EXPECT_EQ(code_of(make(513, "odd")), Code::unsupported);
    EXPECT_THAT(message, HasSubstr("513 bytes"));
    EXPECT_EQ(code_of(make(0, "empty")), Code::unsupported);
    EXPECT_THAT(message, HasSubstr("empty"));
    EXPECT_EQ(code_of(dir.path()), Code::unsupported);
    EXPECT_EQ(code_of(dir.path(), DiskAccess::read_write), Code::unsupported);
    EXPECT_THAT(message, HasSubstr("neither a file nor a block device"));
    EXPECT_EQ(code_of("/dev/zero"), Code::unsupported);
}

TEST_F(Disk, AFifoKeepsNobodyWaiting) {
    ASSERT_EQ(::mkfifo(dir.file("fifo").c_str(), 0600), 0);
    EXPECT_EQ(code_of(dir.file("fifo")), Code::unsupported);
    EXPECT_EQ(code_of(dir.file("fifo"), DiskAccess::read_write), Code::unsupported);
}

TEST_F(Disk, ASharedReadersDiskIsCached) {
    const auto disk = open_disk(make(4096), DiskAccess::read_only);
    ASSERT_TRUE(disk);
    EXPECT_EQ(::fcntl(disk->disk.get(), F_GETFL) & O_DIRECT, 0);
}

TEST_F(Disk, PermissionIsAsked) {
    constexpr uid_t nobody = 65534;
    const auto path = make(512);
    ::chmod(path.c_str(), 0444);
    ::chmod(dir.path().c_str(), 0755);
    const uid_t user = ::geteuid();
    if (user == 0) {  // who may open everything
        ASSERT_EQ(::seteuid(nobody), 0);
    }
    EXPECT_EQ(code_of(path, DiskAccess::read_write), Code::permission_denied);
    EXPECT_THAT(message, HasSubstr(R"("access": "ro")"));
    EXPECT_TRUE(open_disk(path, DiskAccess::read_only)) << message;
    ASSERT_EQ(::seteuid(user), 0);
}

}  // namespace
