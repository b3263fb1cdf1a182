// SPDX-License-Identifier: Apache-2.0
#include "noxs/console_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <utility>

#include "base/log.hpp"

namespace noxs {

namespace {

constexpr std::uint64_t file_magic = 0x474f4c43'53584f4e;  // "NOXSCLOG", little endian
constexpr std::uint32_t file_version = 1;
constexpr std::uint64_t max_capacity = base::mib(64).value;

struct FileHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t capacity;
    std::uint64_t total;
    std::uint64_t total_inverted;  // ~total: tells a damaged header
};
static_assert(sizeof(FileHeader) == 32);

/// Moves all bytes by `step(pointer, size, offset)`, which is pread or pwrite.
template <class Byte, class Step>
Result<void> transfer(std::span<Byte> bytes, std::uint64_t offset, const char* what, Step step) {
    while (!bytes.empty()) {
        const ssize_t moved = step(bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (moved < 0 && errno == EINTR) {
            continue;
        }
        if (moved < 0) {
            return base::fail_errno(errno, what);
        }
        if (moved == 0) {
            return base::fail(base::Code::io_error, std::string(what) + ": the file is too short");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(moved));
        offset += static_cast<std::uint64_t>(moved);
    }
    return {};
}

Result<void> write_at(int fd, std::uint64_t offset, std::span<const char> bytes) {
    return transfer(bytes, offset, "writing the console log",
                    [&](const char* data, std::size_t size, off_t at) { return ::pwrite(fd, data, size, at); });
}

Result<void> read_at(int fd, std::uint64_t offset, std::span<char> bytes) {
    return transfer(bytes, offset, "reading the console log",
                    [&](char* data, std::size_t size, off_t at) { return ::pread(fd, data, size, at); });
}

/// Opens a regular file without following a link and without waiting for the other end of a FIFO.
Result<base::Fd> open_log(const std::string& path, int flags) {
    base::Fd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd) {
        return base::fail_errno(errno, "opening " + path);
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
        return base::fail_errno(errno, "looking at " + path);
    }
    if (!S_ISREG(info.st_mode)) {
        return base::fail(base::Code::io_error, path + " is no regular file");
    }
    return fd;
}

/// Bytes written so far according to a sound file of this capacity; nothing from any other.
std::optional<std::uint64_t> total_of(const std::string& path, std::uint32_t capacity) {
    const auto fd = open_log(path, O_RDONLY);
    struct stat info {};
    FileHeader header{};
    if (!fd || ::fstat(fd->get(), &info) != 0 ||
        !read_at(fd->get(), 0, std::span(reinterpret_cast<char*>(&header), sizeof(header)))) {
        return std::nullopt;
    }
    const std::uint64_t needed = sizeof(header) + std::min<std::uint64_t>(header.total, capacity);
    const bool sound = header.magic == file_magic && header.version == file_version && header.capacity == capacity &&
                       header.total_inverted == ~header.total && static_cast<std::uint64_t>(info.st_size) >= needed;
    return sound ? std::optional(header.total) : std::nullopt;
}

}  // namespace

ConsoleLog::ConsoleLog(std::string path, base::Bytes capacity)
    : path_(std::move(path)),
      capacity_(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(capacity.value, 1, max_capacity))) {
    total_ = total_of(path_, capacity_).value_or(0);
}

std::uint64_t ConsoleLog::kept() const {
    return std::min<std::uint64_t>(total_, capacity_);
}

void ConsoleLog::append(std::span<const char> bytes) {
    if (store_ == Store::file) {
        const auto written = write_file(bytes);
        if (!written) {
            fall_back_to_memory(written.error());
        }
    }
    if (store_ == Store::memory) {
        keep_in_memory(bytes);
    }
    total_ += bytes.size();
}

/// The bytes first, then the header that counts them: after a kill in between they are simply not there yet.
Result<void> ConsoleLog::write_file(std::span<const char> bytes) {
    BASE_ASSIGN(const base::Fd fd, open_log(path_, O_WRONLY | O_CREAT));
    const std::size_t skipped = bytes.size() - std::min<std::size_t>(bytes.size(), capacity_);
    BASE_TRY(write_ring(fd.get(), total_ + skipped, bytes.subspan(skipped)));
    const std::uint64_t total = total_ + bytes.size();
    const FileHeader header{file_magic, file_version, capacity_, total, ~total};
    return write_at(fd.get(), 0, std::span(reinterpret_cast<const char*>(&header), sizeof(header)));
}

Result<void> ConsoleLog::write_ring(int fd, std::uint64_t position, std::span<const char> bytes) const {
    const std::uint64_t start = position % capacity_;
    const auto until_end = std::min<std::size_t>(bytes.size(), capacity_ - start);
    BASE_TRY(write_at(fd, sizeof(FileHeader) + start, bytes.first(until_end)));
    return write_at(fd, sizeof(FileHeader), bytes.subspan(until_end));
}

Result<std::string> ConsoleLog::read_ring() const {
    std::string bytes(kept(), '\0');
    if (bytes.empty()) {
        return bytes;
    }
    BASE_ASSIGN(const base::Fd fd, open_log(path_, O_RDONLY));
    const std::uint64_t start = (total_ - bytes.size()) % capacity_;
    const auto until_end = std::min<std::size_t>(bytes.size(), capacity_ - start);
    BASE_TRY(read_at(fd.get(), sizeof(FileHeader) + start, std::span(bytes).first(until_end)));
    BASE_TRY(read_at(fd.get(), sizeof(FileHeader), std::span(bytes).subspan(until_end)));
    return bytes;
}

ConsoleLog::Text ConsoleLog::read() const {
    if (store_ == Store::memory) {
        return {total_ - memory_.size(), memory_};
    }
    auto bytes = read_ring();
    return bytes ? Text{total_ - bytes->size(), *std::move(bytes)} : Text{total_, {}};
}

void ConsoleLog::fall_back_to_memory(const base::Error& why) {
    base::log(base::Level::warn, why.message + "; from now on the output kept in " + path_ + " is in memory only");
    memory_ = read_ring().value_or(std::string());
    store_ = Store::memory;
}

void ConsoleLog::keep_in_memory(std::span<const char> bytes) {
    const auto fresh = bytes.last(std::min<std::size_t>(bytes.size(), capacity_));
    const std::size_t room = capacity_ - fresh.size();
    if (memory_.size() > room) {
        memory_.erase(0, memory_.size() - room);
    }
    memory_.append(fresh.data(), fresh.size());
}

}  // namespace noxs
