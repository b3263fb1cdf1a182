// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/image_cache.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "split-toolstack/words.hpp"

namespace split {

namespace {

/// An image may hold symbols and debug information that are never loaded.
constexpr base::Bytes max_image_file = base::mib(512);

/// A null pointer: look it up in the file.
template <class T>
std::shared_ptr<const T> none() {
    return nullptr;
}

}  // namespace

template <class T>
Result<std::shared_ptr<const T>> ImageCache::hit(Slots<T>& slots, std::string_view what, const std::string& path) {
    BASE_ASSIGN(const auto identity, identify(what, path));
    const auto found = slots.find(path);
    if (found == slots.end()) {
        return none<T>();
    }
    if (found->second.identity != identity) {
        slots.erase(found);
        return none<T>();
    }
    found->second.used = ++uses_;
    return found->second.value;
}

template <class T>
void ImageCache::evict_oldest(Slots<T>& slots) {
    slots.erase(std::ranges::min_element(slots, {}, [](const auto& slot) { return slot.second.used; }));
}

void ImageCache::make_room_for_ramdisk(std::uint64_t bytes) {
    const auto held = [this] {
        return std::accumulate(ramdisks_.begin(), ramdisks_.end(), std::uint64_t{0},
                               [](std::uint64_t sum, const auto& slot) { return sum + slot.second.value->size(); });
    };
    while (!ramdisks_.empty() && (ramdisks_.size() >= max_entries || held() + bytes > max_ramdisk_bytes.value)) {
        evict_oldest(ramdisks_);
    }
}

Result<std::shared_ptr<const LoadedImage>> ImageCache::image(const std::string& path) {
    BASE_ASSIGN(auto cached, hit(images_, "kernel", path));
    if (cached) {
        return cached;
    }
    BASE_ASSIGN(const auto file, read_file("kernel", path, max_image_file));
    BASE_ASSIGN(auto loaded, parse_elf(file.bytes, words("kernel '", path, "'")));
    if (images_.size() >= max_entries) {
        evict_oldest(images_);
    }
    auto value = std::make_shared<const LoadedImage>(std::move(loaded));
    images_.insert_or_assign(path, Slot<LoadedImage>{file.identity, value, ++uses_});
    return value;
}

Result<std::shared_ptr<const ImageCache::Ramdisk>> ImageCache::ramdisk(const std::string& path) {
    BASE_ASSIGN(auto cached, hit(ramdisks_, "ramdisk", path));
    if (cached) {
        return cached;
    }
    BASE_ASSIGN(auto file, read_file("ramdisk", path, max_ramdisk));
    make_room_for_ramdisk(file.bytes.size());
    auto value = std::make_shared<const Ramdisk>(std::move(file.bytes));
    ramdisks_.insert_or_assign(path, Slot<Ramdisk>{file.identity, value, ++uses_});
    return value;
}

Result<void> check_fit(const LoadedImage& image, std::size_t ramdisk_bytes, base::Bytes memory,
                       std::string_view kernel) {
    const auto round_up = [](std::uint64_t n) { return (n + base::page_size - 1) & ~(base::page_size - 1); };
    const std::uint64_t ramdisk = round_up(ramdisk_bytes);
    const std::uint64_t end = image.image.end_gpa;
    if (end <= memory.value && ramdisk <= memory.value - end) {
        return {};
    }
    std::string text = words("kernel '", kernel, "' ends at ", Hex{end});
    if (ramdisk != 0) {
        append(text, words(" and the ramdisk takes ", base::Bytes{ramdisk}));
    }
    constexpr std::uint64_t mib = 1U << 20;
    const std::uint64_t needed = (end + ramdisk + mib - 1) / mib;
    return base::fail(base::Code::invalid_image, words(text, ": needs ", base::mib(needed), ", domain has ", memory));
}

}  // namespace split
