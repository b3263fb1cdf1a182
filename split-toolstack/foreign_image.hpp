// SPDX-License-Identifier: Apache-2.0
// By whose rules an image file is built. Ours are laid out here (elf.hpp); those of others go to the loader of the
// hypervisor as they are, and only what decides about the kind of domain is read from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"

namespace split {

using base::Result;

/// The largest file that goes to a foreign loader.
inline constexpr base::Bytes max_foreign_file = base::mib(256);

enum class ImageFormat : std::uint8_t {
    native,   ///< an ELF image with a note of vendor "noxs", or nothing that is known: parse_elf decides
    elf,      ///< an ELF kernel with notes of vendor "Xen", or a section __xen_guest
    bzimage,  ///< a Linux kernel as distributions ship it; its notes are inside its compressed payload
};

/// What an image file says of itself.
struct ImageOffer {
    ImageFormat format{ImageFormat::native};
    bool pvh{false};  ///< boots as PVH; of a bzImage assumed
    bool pv{false};   ///< boots as PV; of a bzImage assumed

    bool foreign() const { return format != ImageFormat::native; }
    friend bool operator==(const ImageOffer&, const ImageOffer&) = default;
};

/// Looks at `file`, every number of which may be a lie. Errors are `invalid_image` and name the file as `name`: a
/// gzip file, a bzImage that is too old for Xen or cut off, a Xen kernel for another processor. A damaged ELF file has
/// no notes, for parse_elf to say what is wrong with it.
Result<ImageOffer> classify_image(std::span<const std::byte> file, std::string_view name);

/// The kind of domain for an image: PVH where it offers that, unless `pvh` (xen.pvh of the configuration) forces one
/// or the other. Error `invalid_config`: the image lacks what is forced.
Result<hypervisor::GuestKind> choose_kind(const ImageOffer& offer, std::optional<bool> pvh, std::string_view path);

/// "a Linux kernel (bzImage)", "an ELF kernel for Xen (PV)".
std::string describe(const ImageOffer& offer);

}  // namespace split
