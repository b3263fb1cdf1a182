// SPDX-License-Identifier: Apache-2.0
#include "noxs/disk.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <fstream>
#include <utility>

#include "noxs/wire/blkif.hpp"

namespace noxs {

namespace {

using base::Code;

/// More than a page can't be told to a guest whose segments are parts of pages.
constexpr std::uint32_t max_sector_size = 4096;

std::uint32_t flag(wire::VbdFlag bit) {
    return static_cast<std::uint32_t>(bit);
}

/// O_NONBLOCK, for a FIFO would keep us waiting for somebody at its other end.
Result<base::Fd> open_path(const std::string& path, DiskAccess access) {
    const int mode = access == DiskAccess::read_only ? O_RDONLY : O_RDWR;
    base::Fd fd(::open(path.c_str(), mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) {
        const int err = errno;
        if (err == ENXIO || err == EISDIR) {
            return base::fail(Code::unsupported, "disk " + path + ": neither a file nor a block device");
        }
        auto failure = base::sys_error(err, "disk " + path);
        if (access == DiskAccess::read_write && (err == EACCES || err == EROFS)) {
            failure.message += R"( (opened to write; a guest that only reads has "access": "ro"))";
        }
        return base::fail(std::move(failure));
    }
    return fd;
}

/// The kernel does not say who holds a lock of an open file description.
Result<void> lock(const base::Fd& fd, const std::string& path, DiskAccess access) {
    struct flock whole {};
    whole.l_type = access == DiskAccess::read_only ? F_RDLCK : F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) {
        return {};
    }
    if (errno == EAGAIN || errno == EACCES) {
        return base::fail(Code::bad_state, "disk " + path + ": in use by another guest or program");
    }
    return base::fail_errno(errno, "disk " + path + ": locking it");
}

/// One number of /sys about the queue of a block device, or of the disk that it is a part of; 0: not told.
std::uint64_t queue_limit(dev_t device, const std::string& name) {
    const std::string sys = "/sys/dev/block/" + std::to_string(::major(device)) + ":" + std::to_string(::minor(device));
    for (const char* folder : {"/queue/", "/../queue/"}) {
        std::ifstream in(sys + folder + name);
        std::uint64_t value = 0;
        if (in >> value) {
            return value;
        }
    }
    return 0;
}

Result<std::uint64_t> measure_device(const struct stat& found, VbdSettings& disk) {
    std::uint64_t bytes = 0;
    int sector_size = 0;
    if (::ioctl(disk.disk.get(), BLKGETSIZE64, &bytes) != 0 || ::ioctl(disk.disk.get(), BLKSSZGET, &sector_size) != 0) {
        return base::fail_errno(errno, "disk " + disk.path + ": asking for its size");
    }
    disk.sector_size = static_cast<std::uint32_t>(sector_size);
    if (disk.sector_size > max_sector_size) {
        return base::fail(Code::unsupported, "disk " + disk.path + ": sectors of " + std::to_string(sector_size) +
                                                 " bytes, at most 4096 can be served");
    }
    if (queue_limit(found.st_rdev, "discard_max_bytes") > 0) {
        disk.flags |= flag(wire::VbdFlag::discard);
        disk.discard_granularity = static_cast<std::uint32_t>(queue_limit(found.st_rdev, "discard_granularity"));
    }
    return bytes;
}

/// A hole behind the end changes nothing, and tells whether the file system can make one.
std::uint64_t measure_file(const struct stat& found, DiskAccess access, VbdSettings& disk) {
    if (access == DiskAccess::read_write &&
        ::fallocate(disk.disk.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, found.st_size, 4096) == 0) {
        disk.flags |= flag(wire::VbdFlag::discard);
        disk.discard_granularity = static_cast<std::uint32_t>(found.st_blksize);
    }
    return static_cast<std::uint64_t>(found.st_size);
}

/// Whether requests of single sectors, to memory that begins at a sector's multiple, may pass by the page cache.
bool takes_direct(const VbdSettings& disk) {
#ifdef STATX_DIOALIGN
    struct statx found {};
    return ::statx(disk.disk.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &found) == 0 &&
           (found.stx_mask & STATX_DIOALIGN) != 0 && found.stx_dio_mem_align != 0 &&
           found.stx_dio_mem_align <= wire::block_sector && found.stx_dio_offset_align != 0 &&
           found.stx_dio_offset_align <= disk.sector_size;
#else
    static_cast<void>(disk);
    return false;
#endif
}

/// Sets the flags that `open_path` could not. A writer's disk passes by the page cache, the disk that many guests read
/// is in it once: docs/decisions/0009.
Result<void> choose_cache(const VbdSettings& disk, DiskAccess access) {
    const int flags = ::fcntl(disk.disk.get(), F_GETFL) & ~O_NONBLOCK;
    const bool direct = access == DiskAccess::read_write && takes_direct(disk);
    if (direct && ::fcntl(disk.disk.get(), F_SETFL, flags | O_DIRECT) == 0) {
        return {};
    }
    if (::fcntl(disk.disk.get(), F_SETFL, flags) != 0) {
        return base::fail_errno(errno, "disk " + disk.path);
    }
    return {};
}

}  // namespace

Result<VbdSettings> open_disk(const std::string& path, DiskAccess access) {
    VbdSettings disk;
    disk.path = path;
    BASE_ASSIGN(disk.disk, open_path(path, access));
    struct stat found {};
    if (::fstat(disk.disk.get(), &found) != 0) {
        return base::fail_errno(errno, "disk " + path);
    }
    if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode)) {
        return base::fail(Code::unsupported, "disk " + path + ": neither a file nor a block device");
    }
    BASE_TRY(lock(disk.disk, path, access));
    std::uint64_t bytes = 0;
    if (S_ISBLK(found.st_mode)) {
        BASE_ASSIGN(bytes, measure_device(found, disk));
    } else {
        bytes = measure_file(found, access, disk);
    }
    if (bytes == 0) {
        return base::fail(Code::unsupported, "disk " + path + ": empty, a disk has 512 bytes or a multiple of that");
    }
    if (bytes % wire::block_sector != 0) {
        return base::fail(Code::unsupported,
                          "disk " + path + ": " + std::to_string(bytes) + " bytes, a disk has a multiple of 512");
    }
    disk.sectors = bytes / wire::block_sector;
    if (access == DiskAccess::read_only) {
        disk.flags = flag(wire::VbdFlag::read_only);
        disk.discard_granularity = 0;
    } else {
        disk.flags |= flag(wire::VbdFlag::flush);
    }
    BASE_TRY(choose_cache(disk, access));
    return disk;
}

}  // namespace noxs
