// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"

namespace guest {

/// Lets `backend` map the page at `page` (4 KiB aligned) read-write, through the first free entry that is not
/// reserved for tools. Nothing where the table is full.
std::optional<base::GrantRef> grant_page(std::span<base::GrantEntryV1> table, const void* page, base::DomId backend);

/// Takes a grant back. Mappings that exist stay.
void revoke_grant(std::span<base::GrantEntryV1> table, base::GrantRef ref);

}  // namespace guest
