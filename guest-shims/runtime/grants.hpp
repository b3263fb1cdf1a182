// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"

namespace guest {

enum class GrantAccess : std::uint8_t { read_write, read_only };

/// Lets `backend` map or copy the page at `page` (4 KiB aligned), through the first free entry that is not reserved for
/// tools. Nothing where the table is full. Looks at the table from its begin: for a few pages. See GrantTable.
std::optional<base::GrantRef> grant_page(std::span<base::GrantEntryV1> table, const void* page, base::DomId backend,
                                         GrantAccess access = GrantAccess::read_write);

/// Takes a grant back. Mappings that exist stay.
void revoke_grant(std::span<base::GrantEntryV1> table, base::GrantRef ref);

/// The table as one of its users sees it, for many grants: goes on looking where it found the last free entry. There may
/// be several of the same table.
class GrantTable {
 public:
    explicit GrantTable(std::span<base::GrantEntryV1> entries) : entries_(entries) {}

    /// As grant_page, through any free entry.
    std::optional<base::GrantRef> grant(const void* page, base::DomId backend,
                                        GrantAccess access = GrantAccess::read_write);
    void revoke(base::GrantRef ref);

 private:
    std::span<base::GrantEntryV1> entries_;
    std::uint32_t next_{base::grant_reserved_entries};
};

}  // namespace guest
