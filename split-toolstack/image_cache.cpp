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

std::uint64_t size_of(const LoadedImage& image) {
    return image.run.size();
}
std::uint64_t size_of(const ImageCache::Ramdisk& ramdisk) {
    return ramdisk.size();
}

Result<LoadedImage> load(std::vector<std::byte> bytes, std::string_view name) {
    BASE_ASSIGN(const auto offer, classify_image(bytes, name));
    if (!offer.foreign()) {
        return parse_elf(bytes, name);
    }
    if (bytes.size() > max_foreign_file.value) {
        return base::fail(base::Code::limit_reached,
                          words(name, ": ", describe(offer), " of ", base::Bytes{bytes.size()}, ", at most ",
                                max_foreign_file, " are allowed"));
    }
    LoadedImage image;
    image.run = std::move(bytes);
    image.image.bytes = image.run;
    image.offer = offer;
    return image;
}

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
void ImageCache::make_room(Slots<T>& slots, std::uint64_t bytes, base::Bytes bound) {
    const auto held = [&slots] {
        return std::accumulate(slots.begin(), slots.end(), std::uint64_t{0},
                               [](std::uint64_t sum, const auto& slot) { return sum + size_of(*slot.second.value); });
    };
    while (!slots.empty() && (slots.size() >= max_entries || held() + bytes > bound.value)) {
        slots.erase(std::ranges::min_element(slots, {}, [](const auto& slot) { return slot.second.used; }));
    }
}

Result<std::shared_ptr<const LoadedImage>> ImageCache::image(const std::string& path) {
    BASE_ASSIGN(auto cached, hit(images_, "kernel", path));
    if (cached) {
        return cached;
    }
    BASE_ASSIGN(auto file, read_file("kernel", path, max_image_file));
    BASE_ASSIGN(auto loaded, load(std::move(file.bytes), words("kernel '", path, "'")));
    make_room(images_, loaded.run.size(), max_image_bytes);
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
    make_room(ramdisks_, file.bytes.size(), max_ramdisk_bytes);
    auto value = std::make_shared<const Ramdisk>(std::move(file.bytes));
    ramdisks_.insert_or_assign(path, Slot<Ramdisk>{file.identity, value, ++uses_});
    return value;
}

Result<void> check_fit(const LoadedImage& image, std::size_t ramdisk_bytes, base::Bytes memory,
                       std::string_view kernel) {
    const auto round_up = [](std::uint64_t n) { return (n + base::page_size - 1) & ~(base::page_size - 1); };
    const std::uint64_t ramdisk = round_up(ramdisk_bytes);
    const bool foreign = image.offer.foreign();
    const std::uint64_t end = foreign ? round_up(image.run.size()) : image.image.end_gpa;
    if (end <= memory.value && ramdisk <= memory.value - end) {
        return {};
    }
    std::string text = foreign ? words("kernel '", kernel, "' is a file of ", base::Bytes{end})
                               : words("kernel '", kernel, "' ends at ", Hex{end});
    if (ramdisk != 0) {
        append(text, words(" and the ramdisk takes ", base::Bytes{ramdisk}));
    }
    constexpr std::uint64_t mib = 1U << 20;
    const std::uint64_t needed = (end + ramdisk + mib - 1) / mib;
    return base::fail(base::Code::invalid_image,
                      words(text, ": needs ", foreign ? "more than " : "", base::mib(needed), ", domain has ", memory));
}

}  // namespace split
