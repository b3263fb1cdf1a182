// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "split-toolstack/record.hpp"
#include "split-toolstack/spare_files.hpp"

namespace split {

using base::Result;

/// The domains' records on disk, one file "<id>.json" each in <state_dir>/domains. A file is there whole or not at all
/// (written beside and renamed), whatever ends the daemon; nothing is synced, because no domain outlives its host.
/// Single-threaded, except `stock`.
class Registry {
 public:
    /// Makes the directory if it is missing and removes what half-done writes left in it.
    static Result<Registry> open(const std::string& state_dir);

    /// Every record. A file that is damaged, of another version or not ours is moved aside to "<name>.damaged" with a
    /// line in the log.
    Result<std::vector<Record>> load();

    /// Writes the record, replacing an earlier one of the same id. Hot: no allocation once warm. After an error the
    /// earlier one is still there.
    Result<void> save(const Record& record);

    /// Forgets the domain; no harm if it is not there. Hot.
    Result<void> remove(base::DomId id);

    /// Prepares for one more `save`. Refill thread.
    void stock() { spares_->stock(); }

 private:
    Registry(std::string dir, base::Fd fd, std::unique_ptr<SpareFiles> spares);
    Result<Record> read(const std::string& name) const;
    Result<void> write(const char* name) const;
    /// Gives the written file its name, atomically.
    Result<void> put(const SpareFiles::Name& tmp, const char* name);
    /// Takes off what an old file had beyond what was written.
    Result<void> cut(int file) const;
    void move_aside(const std::string& name, std::string_view why) const;

    std::string dir_;
    base::Fd fd_;
    std::unique_ptr<SpareFiles> spares_;
    std::string buffer_;
};

}  // namespace split
