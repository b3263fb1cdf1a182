// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/networks_range.hpp"

#include <algorithm>
#include <bit>

namespace split {

AddressRange::AddressRange(const noxs::Ipv4Net& net)
    : net_(net), taken_(std::max<std::size_t>(1, (last() + 1) / word_bits)) {
    const std::uint32_t base = net.address.number() & net.mask();
    for (std::uint32_t beyond = last() + 1; beyond < word_bits; ++beyond) {
        taken_[0] |= std::uint64_t{1} << beyond;
    }
    take(noxs::Ipv4::of(base));
    take(noxs::Ipv4::of(base | last()));
    take(net.address);
    take(forwarder());
}

noxs::Ipv4 AddressRange::forwarder() const {
    const auto address = noxs::Ipv4::of((net_.address.number() | last()) - 1);
    return address == net_.address ? noxs::Ipv4::of(address.number() - 1) : address;
}

bool AddressRange::reserved(noxs::Ipv4 address) const {
    const std::uint32_t index = index_of(address);
    return index == 0 || index == last() || address == net_.address || address == forwarder();
}

bool AddressRange::free(noxs::Ipv4 address) const {
    const std::uint32_t index = index_of(address);
    return (taken_[index / word_bits] >> index % word_bits & 1) == 0;
}

std::optional<noxs::Ipv4> AddressRange::lowest_free() {
    while (first_ < taken_.size() && taken_[first_] == ~std::uint64_t{0}) {
        ++first_;
    }
    if (first_ == taken_.size()) {
        return std::nullopt;
    }
    const auto index = first_ * word_bits + static_cast<unsigned>(std::countr_one(taken_[first_]));
    return noxs::Ipv4::of((net_.address.number() & net_.mask()) | static_cast<std::uint32_t>(index));
}

void AddressRange::take(noxs::Ipv4 address) {
    const std::uint32_t index = index_of(address);
    taken_[index / word_bits] |= std::uint64_t{1} << index % word_bits;
}

void AddressRange::give_back(noxs::Ipv4 address) {
    if (!reserved(address)) {
        const std::uint32_t index = index_of(address);
        taken_[index / word_bits] &= ~(std::uint64_t{1} << index % word_bits);
        first_ = std::min<std::size_t>(first_, index / word_bits);
    }
}

}  // namespace split
