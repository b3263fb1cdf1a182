// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/image_cache.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/support/elf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace split {
namespace {

using test_support::build_elf;
using test_support::TempDir;
using testing::HasSubstr;

TEST(ImageCache, ReadsOnce) {
    const TempDir dir;
    const auto path = dir.write("k.elf", build_elf({}));
    ImageCache cache;
    const auto first = cache.image(path);
    const auto second = cache.image(path);
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(second);
    EXPECT_EQ(first->get(), second->get());
}

TEST(ImageCache, ReadsAChangedFileAnew) {
    const TempDir dir;
    const auto path = dir.write("k.elf", build_elf({}));
    ImageCache cache;
    const auto first = cache.image(path);
    test_support::ElfPlan other;
    other.segments[0].memsz = 0x5000;
    dir.write("k.elf", build_elf(other));
    struct timespec times[2] = {{0, 0}, {12345, 678}};
    ::utimensat(AT_FDCWD, path.c_str(), times, 0);
    const auto second = cache.image(path);
    ASSERT_TRUE(first && second);
    EXPECT_EQ((*first)->image.end_gpa, 0x102000u) << "the old one stays valid for its holder";
    EXPECT_EQ((*second)->image.end_gpa, 0x105000u);
    dir.write("k.elf", std::string("damaged"));
    EXPECT_FALSE(cache.image(path));
}

TEST(ImageCache, IsBounded) {
    const TempDir dir;
    ImageCache cache;
    for (std::size_t i = 0; i < ImageCache::max_entries + 8; ++i) {
        const auto path = dir.write(std::to_string(i) + ".elf", build_elf({}));
        ASSERT_TRUE(cache.image(path));
        ASSERT_TRUE(cache.ramdisk(path));
    }
    EXPECT_EQ(cache.images(), ImageCache::max_entries);
    EXPECT_EQ(cache.ramdisks(), ImageCache::max_entries);
}

TEST(ImageCache, KeepsWhatIsUsed) {
    const TempDir dir;
    ImageCache cache;
    const auto hot = dir.write("hot.elf", build_elf({}));
    const auto first = cache.image(hot);
    for (std::size_t i = 0; i < 2 * ImageCache::max_entries; ++i) {
        ASSERT_TRUE(cache.image(dir.write(std::to_string(i) + ".elf", build_elf({}))));
        ASSERT_EQ(cache.image(hot)->get(), first->get());
    }
}

TEST(ImageCache, NamesWhatIsWrong) {
    const TempDir dir;
    ImageCache cache;
    const auto missing = cache.image(dir.file("none"));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, base::Code::not_found);
    EXPECT_THAT(missing.error().message, HasSubstr("kernel '" + dir.file("none") + "'"));
    EXPECT_THAT(cache.image(dir.path()).error().message, HasSubstr("a directory"));
    EXPECT_THAT(cache.image("/dev/zero").error().message, HasSubstr("a device"));
    ASSERT_EQ(::mkfifo(dir.file("fifo").c_str(), 0600), 0);
    EXPECT_THAT(cache.image(dir.file("fifo")).error().message, HasSubstr("a FIFO"));
    EXPECT_THAT(cache.ramdisk(dir.file("fifo")).error().message, HasSubstr("ramdisk"));
}

TEST(CheckFit, ComparesWithTheMemory) {
    LoadedImage image;
    image.image.end_gpa = base::mib(6).value;
    EXPECT_TRUE(check_fit(image, 0, base::mib(6), "k"));
    const auto small = check_fit(image, 0, base::mib(4), "k");
    ASSERT_FALSE(small);
    EXPECT_EQ(small.error().code, base::Code::invalid_image);
    EXPECT_THAT(small.error().message, HasSubstr("needs 6 MiB, domain has 4 MiB"));
    EXPECT_TRUE(check_fit(image, base::mib(2).value, base::mib(8), "k"));
    EXPECT_THAT(check_fit(image, base::mib(2).value + 1, base::mib(8), "k").error().message,
                HasSubstr("needs 9 MiB, domain has 8 MiB"));
}

}  // namespace
}  // namespace split
