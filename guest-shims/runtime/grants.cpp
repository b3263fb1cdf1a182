// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/grants.hpp"

#include "guest-shims/runtime/shared.hpp"

namespace guest {

namespace {

/// A free entry of [from, to), filled in.
std::optional<base::GrantRef> fill_free(std::span<base::GrantEntryV1> table, std::size_t from, std::size_t to,
                                        const base::GrantEntryV1& grant) {
    for (std::size_t ref = from; ref < to; ++ref) {
        auto& entry = table[ref];
        if (load_relaxed(entry.flags) != 0) {
            continue;
        }
        // The flags make the entry valid: last (Xen, public/grant_table.h: "introducing a valid entry").
        store_relaxed(entry.domid, grant.domid);
        store_relaxed(entry.frame, grant.frame);
        store_release(entry.flags, grant.flags);
        return base::GrantRef{static_cast<std::uint32_t>(ref)};
    }
    return std::nullopt;
}

base::GrantEntryV1 entry_for(const void* page, base::DomId backend, GrantAccess access) {
    const auto gfn = base::gfn_of(reinterpret_cast<std::uintptr_t>(page));
    const unsigned flags = base::grant_permit_access | (access == GrantAccess::read_only ? base::grant_readonly : 0U);
    return {static_cast<std::uint16_t>(flags), backend.value, static_cast<std::uint32_t>(gfn.value)};
}

}  // namespace

std::optional<base::GrantRef> grant_page(std::span<base::GrantEntryV1> table, const void* page, base::DomId backend,
                                         GrantAccess access) {
    return fill_free(table, base::grant_reserved_entries, table.size(), entry_for(page, backend, access));
}

void revoke_grant(std::span<base::GrantEntryV1> table, base::GrantRef ref) {
    if (ref.value >= base::grant_reserved_entries && ref.value < table.size()) {
        store_release(table[ref.value].flags, std::uint16_t{0});
    }
}

std::optional<base::GrantRef> GrantTable::grant(const void* page, base::DomId backend, GrantAccess access) {
    const auto entry = entry_for(page, backend, access);
    auto ref = fill_free(entries_, next_, entries_.size(), entry);
    if (!ref) {
        ref = fill_free(entries_, base::grant_reserved_entries, next_, entry);
    }
    if (ref) {
        next_ = ref->value + 1;
    }
    return ref;
}

void GrantTable::revoke(base::GrantRef ref) {
    revoke_grant(entries_, ref);
}

}  // namespace guest
