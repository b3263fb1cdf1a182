// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/words.hpp"

#include <charconv>

namespace split {

namespace {

template <class T>
void append_digits(std::string& out, T number, int radix) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number, radix).ptr;
    out.append(digits, end);
}

}  // namespace

void append(std::string& out, std::string_view text) {
    out += text;
}

void append(std::string& out, Hex number) {
    out += "0x";
    append_digits(out, number.value, 16);
}

void append(std::string& out, base::Bytes size) {
    constexpr struct {
        unsigned shift;
        std::string_view name;
    } units[] = {{30, " GiB"}, {20, " MiB"}, {10, " KiB"}, {0, " bytes"}};
    for (const auto& unit : units) {
        const auto whole = size.value >> unit.shift;
        if (unit.shift == 0 || (whole != 0 && (whole << unit.shift) == size.value)) {
            append_digits(out, whole, 10);
            out += unit.name;
            return;
        }
    }
}

void append_signed(std::string& out, std::int64_t number) {
    append_digits(out, number, 10);
}
void append_unsigned(std::string& out, std::uint64_t number) {
    append_digits(out, number, 10);
}

}  // namespace split
