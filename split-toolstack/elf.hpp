// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/foreign_image.hpp"

namespace split {

using base::Result;

/// The lowest address that a guest image may occupy (docs/guest-abi.md).
inline constexpr std::uint64_t image_floor_gpa = 0x100000;
/// The most that lies between the first and the last loaded byte: keeps a file of a few bytes from asking for gigabytes.
inline constexpr base::Bytes max_image_span = base::mib(256);
inline constexpr unsigned max_program_headers = 64;

/// A guest image: a native one laid out as it will lie in memory, of any other the bytes of its file. `image.bytes`
/// looks into `run`. The kind of a foreign image is chosen at launch, out of what it offers.
struct LoadedImage {
    std::vector<std::byte> run;
    hypervisor::Image image;
    ImageOffer offer;

    LoadedImage() = default;
    LoadedImage(LoadedImage&&) noexcept = default;
    LoadedImage& operator=(LoadedImage&&) noexcept = default;
    LoadedImage(const LoadedImage&) = delete;
    LoadedImage& operator=(const LoadedImage&) = delete;
};

/// Checks `file`, an ELF64 x86-64 executable, and lays out its PT_LOAD segments by physical address. Entries come from
/// its notes: XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h: name "Xen", type 18) and ours (name "noxs", type 1, the
/// 64-bit entry); at least one must be there. Every number in the file is checked before it is used. Errors are
/// `invalid_image`; `name` says in them which file it was.
Result<LoadedImage> parse_elf(std::span<const std::byte> file, std::string_view name);

}  // namespace split
