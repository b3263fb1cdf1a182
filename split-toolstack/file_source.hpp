// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace split {

using base::Result;

/// Which file, in which state: as long as it is equal, what was read before still holds.
struct FileIdentity {
    std::uint64_t device{0};
    std::uint64_t inode{0};
    std::uint64_t size{0};
    std::int64_t mtime_s{0};
    std::int64_t mtime_ns{0};
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Of the file that `path` names now. `what` ("kernel") is for the error only. A regular file or an error.
Result<FileIdentity> identify(std::string_view what, const std::string& path);

/// Opens a regular file to read from it. Never blocks on a FIFO or a device: they are errors.
Result<base::Fd> open_file(std::string_view what, const std::string& path);

struct FileContents {
    FileIdentity identity;
    std::vector<std::byte> bytes;
};

/// Reads a regular file whole. Anything else is an error as above, and so is a file of more than `limit` or one that
/// changes while it is read.
Result<FileContents> read_file(std::string_view what, const std::string& path, base::Bytes limit);

}  // namespace split
