// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/file_source.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "split-toolstack/words.hpp"

namespace split {

namespace {

using base::Code;
using base::fail;
using base::fail_errno;

std::string_view kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR: return "a directory";
        case S_IFIFO: return "a FIFO";
        case S_IFSOCK: return "a socket";
        case S_IFCHR:
        case S_IFBLK: return "a device";
        default: return "not a regular file";
    }
}

std::string quoted(std::string_view what, const std::string& path) {
    return words(what, " '", path, "'");
}

Result<FileIdentity> identity_of(const struct stat& st, std::string_view what, const std::string& path) {
    if (!S_ISREG(st.st_mode)) {
        return fail(Code::invalid_argument,
                    words(quoted(what, path), ": it is ", kind_of(st.st_mode), ", expected a regular file"));
    }
    return FileIdentity{.device = st.st_dev,
                        .inode = st.st_ino,
                        .size = static_cast<std::uint64_t>(st.st_size),
                        .mtime_s = st.st_mtim.tv_sec,
                        .mtime_ns = st.st_mtim.tv_nsec};
}

Result<FileIdentity> identify_open(int fd, std::string_view what, const std::string& path) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) {
        return fail_errno(errno, quoted(what, path));
    }
    return identity_of(st, what, path);
}

Result<void> fill(int fd, std::vector<std::byte>& bytes, std::string_view what, const std::string& path) {
    std::size_t got = 0;
    while (got < bytes.size()) {
        const ssize_t n = ::pread(fd, bytes.data() + got, bytes.size() - got, static_cast<off_t>(got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(errno, quoted(what, path));
        }
        if (n == 0) {
            return fail(Code::io_error, words(quoted(what, path), ": it shrank while it was read"));
        }
        got += static_cast<std::size_t>(n);
    }
    return {};
}

}  // namespace

Result<FileIdentity> identify(std::string_view what, const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
        return fail_errno(errno, quoted(what, path));
    }
    return identity_of(st, what, path);
}

Result<base::Fd> open_file(std::string_view what, const std::string& path) {
    base::Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!fd) {
        return fail_errno(errno, quoted(what, path));
    }
    BASE_TRY(identify_open(fd.get(), what, path));
    return fd;
}

Result<FileContents> read_file(std::string_view what, const std::string& path, base::Bytes limit) {
    BASE_ASSIGN(const auto fd, open_file(what, path));
    FileContents out;
    BASE_ASSIGN(out.identity, identify_open(fd.get(), what, path));
    if (out.identity.size > limit.value) {
        return fail(Code::limit_reached, words(quoted(what, path), ": it has ", base::Bytes{out.identity.size},
                                               ", at most ", limit, " are allowed"));
    }
    out.bytes.resize(out.identity.size);
    BASE_TRY(fill(fd.get(), out.bytes, what, path));
    BASE_ASSIGN(const auto after, identify_open(fd.get(), what, path));
    if (after != out.identity) {
        return fail(Code::io_error, words(quoted(what, path), ": it changed while it was read"));
    }
    return out;
}

}  // namespace split
