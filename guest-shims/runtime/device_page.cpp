// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/device_page.hpp"

#include <bit>

#include "guest-shims/runtime/shared.hpp"

namespace guest {

namespace wire = noxs::wire;

namespace {

/// A writer holds the page for a microsecond. One that never lets go is broken: then there are no devices.
constexpr unsigned max_attempts = 10'000;

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

/// Calls visit(entry) for each slot in use. Returns false where the page can't be read. `visit` starts over when
/// called with a null pointer: what it has seen so far was torn.
template <class Visit>
bool DevicePageReader::scan(Visit visit) const {
    if (page_ == nullptr) {
        return false;
    }
    for (unsigned attempt = 0; attempt < max_attempts; ++attempt) {
        const std::uint32_t before = load_acquire(page_->generation);
        if ((before & 1) != 0) {
            __builtin_ia32_pause();
            continue;
        }
        visit(nullptr);
        const bool known = load_acquire(page_->magic) == wire::magic && load_acquire(page_->version) == wire::version &&
                           load_acquire(page_->entry_size) == sizeof(wire::DeviceEntry);
        const std::uint32_t count = load_acquire(page_->count);
        const bool bounded = known && count <= wire::max_devices;
        for (std::uint32_t i = 0; bounded && i < count; ++i) {
            const wire::DeviceEntry entry = copy_entry(page_->entries[i]);
            if (entry.type != wire::DeviceType::none) {
                visit(&entry);
            }
        }
        if (load_acquire(page_->generation) == before) {
            return bounded;
        }
    }
    return false;
}

std::optional<wire::DeviceEntry> DevicePageReader::find(wire::DeviceType type, std::uint32_t id) const {
    std::optional<wire::DeviceEntry> found;
    const bool readable = scan([&](const wire::DeviceEntry* entry) {
        if (entry == nullptr) {
            found.reset();
        } else if (!found && entry->type == type && entry->id == id) {
            found = *entry;
        }
    });
    return readable ? found : std::nullopt;
}

std::optional<wire::DeviceEntry> DevicePageReader::first(wire::DeviceType type) const {
    std::optional<wire::DeviceEntry> found;
    const bool readable = scan([&](const wire::DeviceEntry* entry) {
        if (entry == nullptr) {
            found.reset();
        } else if (!found && entry->type == type) {
            found = *entry;
        }
    });
    return readable ? found : std::nullopt;
}

std::size_t DevicePageReader::list(std::span<wire::DeviceEntry> out) const {
    std::size_t count = 0;
    const bool readable = scan([&](const wire::DeviceEntry* entry) {
        if (entry == nullptr) {
            count = 0;
        } else if (count < out.size()) {
            out[count++] = *entry;
        }
    });
    return readable ? count : 0;
}

std::uint32_t DevicePageReader::generation() const {
    return page_ == nullptr ? 0 : load_acquire(page_->generation);
}

}  // namespace guest
