// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "split-toolstack/elf.hpp"
#include "split-toolstack/file_source.hpp"

namespace split {

/// Guest images and ramdisks, read and checked once. Every use costs one stat(2) that proves that the file is still
/// the same one; a changed file is read again. Single-threaded.
class ImageCache {
 public:
    static constexpr std::size_t max_entries = 32;  ///< of each kind; the least recently used one goes
    static constexpr base::Bytes max_ramdisk = base::mib(1024);
    static constexpr base::Bytes max_image_bytes = base::mib(2048);    ///< of all cached images
    static constexpr base::Bytes max_ramdisk_bytes = base::mib(2048);  ///< of all cached ramdisks

    using Ramdisk = std::vector<std::byte>;

    /// What stays valid as long as the pointer is held, also after eviction. On a hit: no allocation.
    Result<std::shared_ptr<const LoadedImage>> image(const std::string& path);
    Result<std::shared_ptr<const Ramdisk>> ramdisk(const std::string& path);

    std::size_t images() const { return images_.size(); }
    std::size_t ramdisks() const { return ramdisks_.size(); }

 private:
    template <class T>
    struct Slot {
        FileIdentity identity;
        std::shared_ptr<const T> value;
        std::uint64_t used{0};
    };
    template <class T>
    using Slots = std::unordered_map<std::string, Slot<T>>;

    template <class T>
    Result<std::shared_ptr<const T>> hit(Slots<T>& slots, std::string_view what, const std::string& path);
    template <class T>
    void make_room(Slots<T>& slots, std::uint64_t bytes, base::Bytes bound);

    Slots<LoadedImage> images_;
    Slots<Ramdisk> ramdisks_;
    std::uint64_t uses_{0};
};

/// Whether image and ramdisk fit a domain of `memory`; the error says what is needed and what there is. What a foreign
/// kernel unpacks itself to is not known: its files must fit, the rest is for its loader and itself to find out.
Result<void> check_fit(const LoadedImage& image, std::size_t ramdisk_bytes, base::Bytes memory,
                       std::string_view kernel);

}  // namespace split
