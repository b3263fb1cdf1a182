// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/grants.hpp"

#include "guest-shims/runtime/shared.hpp"

namespace guest {

std::optional<base::GrantRef> grant_page(std::span<base::GrantEntryV1> table, const void* page, base::DomId backend) {
    const auto gfn = base::gfn_of(reinterpret_cast<std::uintptr_t>(page));
    for (std::uint32_t ref = base::grant_reserved_entries; ref < table.size(); ++ref) {
        auto& entry = table[ref];
        if (load_relaxed(entry.flags) != 0) {
            continue;
        }
        // The flags make the entry valid: last (Xen, public/grant_table.h: "introducing a valid entry").
        store_relaxed(entry.domid, backend.value);
        store_relaxed(entry.frame, static_cast<std::uint32_t>(gfn.value));
        store_release(entry.flags, base::grant_permit_access);
        return base::GrantRef{ref};
    }
    return std::nullopt;
}

void revoke_grant(std::span<base::GrantEntryV1> table, base::GrantRef ref) {
    if (ref.value >= base::grant_reserved_entries && ref.value < table.size()) {
        store_release(table[ref.value].flags, std::uint16_t{0});
    }
}

}  // namespace guest
