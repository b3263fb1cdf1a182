// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/device_page.hpp"

#include <bit>

#include "guest-shims/runtime/shared.hpp"

namespace guest {

namespace wire = noxs::wire;

namespace {

/// A writer holds the page for a microsecond, unless it is interrupted.
constexpr unsigned max_attempts = 1000;

/// Copies an entry word by word: each byte is read once, and none after the second look at the generation (acquire;
/// a fence would do, but the thread sanitizer does not know fences).
wire::DeviceEntry copy_entry(const wire::DeviceEntry& from) {
    struct Words {
        std::uint64_t word[sizeof(wire::DeviceEntry) / 8];
    } words;
    const auto* source = reinterpret_cast<const std::uint64_t*>(&from);
    for (std::size_t i = 0; i < sizeof words / 8; ++i) {
        words.word[i] = load_acquire(source[i]);
    }
    return std::bit_cast<wire::DeviceEntry>(words);
}

}  // namespace

/// Calls visit(entry) for each slot in use. False: what was seen may be torn.
template <class Visit>
bool DevicePageReader::try_scan(Visit visit) const {
    if (page_ == nullptr) {
        return true;
    }
    const std::uint32_t before = load_acquire(page_->generation);
    if (before % 2 != 0) {
        __builtin_ia32_pause();
        return false;
    }
    const bool known = load_acquire(page_->magic) == wire::magic && load_acquire(page_->version) == wire::version &&
                       load_acquire(page_->entry_size) == sizeof(wire::DeviceEntry);
    const std::uint32_t count = load_acquire(page_->count);
    for (std::uint32_t i = 0; known && count <= wire::max_devices && i < count; ++i) {
        const wire::DeviceEntry entry = copy_entry(page_->entries[i]);
        if (entry.type != wire::DeviceType::none) {
            visit(entry);
        }
    }
    return load_acquire(page_->generation) == before;
}

std::optional<wire::DeviceEntry> DevicePageReader::first(wire::DeviceType type) const {
    std::optional<wire::DeviceEntry> found;
    const auto visit = [&](const wire::DeviceEntry& entry) {
        if (!found && entry.type == type) {
            found = entry;
        }
    };
    while (!try_scan(visit)) {
        found.reset();
    }
    return found;
}

std::optional<std::size_t> DevicePageReader::list(std::span<wire::DeviceEntry> out) const {
    for (unsigned attempt = 0; attempt < max_attempts; ++attempt) {
        std::size_t count = 0;
        const auto visit = [&](const wire::DeviceEntry& entry) {
            if (count < out.size()) {
                out[count++] = entry;
            }
        };
        if (try_scan(visit)) {
            return count;
        }
    }
    return std::nullopt;
}

std::uint32_t DevicePageReader::generation() const {
    return page_ == nullptr ? 0 : load_acquire(page_->generation);
}

}  // namespace guest
