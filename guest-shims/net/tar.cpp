// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/tar.hpp"

namespace guest {

namespace {

struct Field {
    std::size_t at;
    std::size_t size;
};
constexpr Field name_field{0, 100};
constexpr Field size_field{124, 12};
constexpr Field checksum_field{148, 8};
constexpr std::size_t type_at = 156;
constexpr Field magic_field{257, 5};
constexpr Field prefix_field{345, 155};

std::string_view text_of(std::string_view header, Field field) {
    const std::string_view text = header.substr(field.at, field.size);
    return text.substr(0, text.find('\0'));
}

std::optional<std::uint64_t> octal_of(std::string_view header, Field field) {
    std::uint64_t value = 0;
    bool any = false;
    for (const char c : header.substr(field.at, field.size)) {
        if (c >= '0' && c <= '7') {
            value = value * 8 + static_cast<unsigned>(c - '0');
            any = true;
        } else if (any || c != ' ') {
            break;
        }
    }
    return any ? std::optional(value) : std::nullopt;
}

/// The sum of all bytes, with blanks in the place of the sum.
std::uint64_t sum_of(std::string_view header) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < tar_block; ++i) {
        const bool own = i >= checksum_field.at && i < checksum_field.at + checksum_field.size;
        sum += own ? ' ' : static_cast<unsigned char>(header[i]);
    }
    return sum;
}

}  // namespace

std::optional<std::uint64_t> TarReader::blocks_of(std::string_view header) {
    if (header.size() < tar_block || text_of(header, magic_field) != "ustar" ||
        octal_of(header, checksum_field) != sum_of(header)) {
        return std::nullopt;
    }
    const auto size = octal_of(header, size_field);
    return size ? std::optional(1 + (*size + tar_block - 1) / tar_block) : std::nullopt;
}

std::optional<TarFile> TarReader::next() {
    for (;;) {
        const std::string_view header = rest_.substr(0, tar_block);
        const auto blocks = blocks_of(header);
        if (!blocks || *blocks > rest_.size() / tar_block) {
            return std::nullopt;
        }
        const std::string_view content = rest_.substr(tar_block, *octal_of(header, size_field));
        rest_.remove_prefix(*blocks * tar_block);
        const char type = header[type_at];
        if ((type == '0' || type == '\0') && text_of(header, prefix_field).empty()) {
            return TarFile{text_of(header, name_field), content};
        }
    }
}

}  // namespace guest
