// SPDX-License-Identifier: Apache-2.0
// Any bytes as a guest image: rejected, taken for a kernel of somebody else, or laid out so that the image stays
// inside what it claims.
#include <cstdlib>
#include <span>

#include "split-toolstack/elf.hpp"

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = std::as_bytes(std::span(data, size));
    const auto offer = split::classify_image(file, "fuzz");
    require(offer ? offer->foreign() == (offer->pvh || offer->pv) : !offer.error().message.empty());
    const auto loaded = split::parse_elf(file, "fuzz");
    if (!loaded) {
        require(loaded.error().code == base::Code::invalid_image && !loaded.error().message.empty());
        return 0;
    }
    const auto& image = loaded->image;
    require(image.load_gpa >= split::image_floor_gpa && image.load_gpa % base::page_size == 0);
    require(image.bytes.size() <= split::max_image_span.value);
    require(image.end_gpa >= image.load_gpa + image.bytes.size());
    require(image.entry64 != 0 || image.entry_pvh != 0);
    for (const auto entry : {image.entry64, image.entry_pvh}) {
        require(entry == 0 || (entry >= image.load_gpa && entry - image.load_gpa < image.bytes.size()));
    }
    return 0;
}
