// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace guest {

/// A regular file of an archive. Both refer to the archive's bytes.
struct TarFile {
    std::string_view name;  ///< as stored, at most 100 characters
    std::string_view content;
};

inline constexpr std::size_t tar_block = 512;

/// Walks an archive in the ustar format (POSIX.1-1988, as `tar --format=ustar` writes), in memory. Skips what is no
/// regular file and names that need the prefix field. Stops at the end mark and at what it does not understand.
class TarReader {
 public:
    explicit TarReader(std::string_view archive) : rest_(archive) {}
    std::optional<TarFile> next();

    /// The blocks that the entry with this header takes, itself included; nothing: it is no header.
    static std::optional<std::uint64_t> blocks_of(std::string_view header);

 private:
    std::string_view rest_;
};

}  // namespace guest
