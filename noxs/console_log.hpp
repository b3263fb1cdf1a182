// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace noxs {

using base::Result;

inline constexpr base::Bytes default_log_capacity = base::kib(16);

/// What is kept of a guest's console: the last bytes that it wrote, in a file that outlives the daemon.
///
/// The file is a header and a ring, read and written by system calls: on a full disk that is an error, where a mapping
/// would be a signal. It is made at the first `append` and no descriptor stays open. When it can't be written, that is
/// logged once and the log goes on in memory within the same bound. A file that is damaged, or of another capacity, is
/// started anew. A daemon that is killed between two steps loses nothing that it reported as kept.
class ConsoleLog {
 public:
    struct Text {
        std::uint64_t offset{0};  ///< bytes that were written before `bytes`
        std::string bytes;
    };

    /// The log behind `path`, continued where there is a sound file. `capacity` is in 1 .. 64 MiB, else cut to it.
    ConsoleLog(std::string path, base::Bytes capacity);

    /// Keeps `bytes` as the newest. Never fails: see above.
    void append(std::span<const char> bytes);

    /// Bytes that were ever appended.
    std::uint64_t total() const { return total_; }

    /// What is kept, oldest byte first.
    Text read() const;

    const std::string& path() const { return path_; }

 private:
    /// Bytes from the first one kept to the newest, as many as fit.
    std::uint64_t kept() const;
    Result<void> write_file(std::span<const char> bytes);
    Result<void> write_ring(int fd, std::uint64_t position, std::span<const char> bytes) const;
    Result<std::string> read_ring() const;
    void fall_back_to_memory(const base::Error& why);
    void keep_in_memory(std::span<const char> bytes);

    enum class Store : std::uint8_t { file, memory };

    std::string path_;
    std::string memory_;  // the kept bytes in Store::memory
    std::uint64_t total_{0};
    std::uint32_t capacity_;
    Store store_{Store::file};
};

}  // namespace noxs
