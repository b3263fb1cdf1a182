// SPDX-License-Identifier: Apache-2.0
// Any bytes as a guest image: rejected, taken for a kernel of somebody else, or laid out so that the image stays
// inside what it claims; and as a table of symbols, whose names are short, clean and of code.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>

#include "split-toolstack/elf.hpp"
#include "split-toolstack/symbols.hpp"

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

split::ReadAt reader(std::span<const std::byte> file) {
    return [file](std::uint64_t offset, std::span<std::byte> into) {
        const bool inside = offset <= file.size() && into.size() <= file.size() - offset;
        if (inside) {
            std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
        }
        return inside;
    };
}

void look_up(const split::Symbols& symbols, std::uint64_t address) {
    constexpr std::size_t longest = 1024;
    for (const auto& name : {symbols.name(address), symbols.caller(address)}) {
        require(!name || (name->size() < longest && std::ranges::all_of(*name, [](char c) { return c >= ' '; })));
    }
    std::byte code[7];
    symbols.read_code(address, code);
}

void read_symbols(std::span<const std::byte> file) {
    const auto symbols = split::Symbols::read(reader(file));
    if (!symbols) {
        require(symbols.error().code == base::Code::invalid_image && !symbols.error().message.empty());
        return;
    }
    constexpr std::size_t looked_at = 8;
    for (std::size_t i = 0; i < std::min(looked_at, symbols->code().size()); ++i) {
        const auto& code = symbols->code()[i];
        for (const auto offset : {std::uint64_t{0}, code.size / 2, code.size - 1, code.size}) {
            look_up(*symbols, code.address + offset);
        }
    }
    look_up(*symbols, 0);
    look_up(*symbols, UINT64_MAX);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = std::as_bytes(std::span(data, size));
    read_symbols(file);
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
