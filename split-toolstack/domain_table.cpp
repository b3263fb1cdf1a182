// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/domain_table.hpp"

#include <utility>

#include "split-toolstack/words.hpp"

namespace split {

LiveDomain* DomainTable::find(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : found->second;
}

LiveDomain& DomainTable::insert(std::unique_ptr<LiveDomain> domain) {
    const std::size_t at = domain->id().value;
    if (at >= slots_.size()) {
        slots_.resize(at + 1);
    }
    slots_[at] = std::move(domain);
    LiveDomain& in = *slots_[at];
    names_.emplace(in.name(), &in);
    return in;
}

std::unique_ptr<LiveDomain> DomainTable::erase(base::DomId id) {
    auto domain = std::move(slots_[id.value]);
    names_.erase(domain->name());
    return domain;
}

void DomainTable::rename(LiveDomain& domain, std::string name) {
    names_.erase(domain.name());
    domain.record.config.name = std::move(name);
    names_.emplace(domain.name(), &domain);
}

std::string DomainTable::free_name(std::string_view wanted, base::DomId id) const {
    const std::string stem = wanted.empty() ? words("guest-", id.value) : std::string(wanted);
    std::string name = stem;
    for (unsigned i = 2; find(name) != nullptr; ++i) {
        const std::string suffix = words("-", i);
        name = stem.substr(0, 63 - suffix.size()) + suffix;
    }
    return name;
}

}  // namespace split
