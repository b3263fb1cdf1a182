// SPDX-License-Identifier: Apache-2.0
#include "chaos/rpc/base64.hpp"

#include <cstdint>

#include "chaos/json/utf8.hpp"

namespace chaos::rpc {

namespace {
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text += i + j > bytes.size() ? '=' : alphabet[group >> (18 - 6 * j) & 0x3f];
        }
    }
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const bool pad = i + j >= text.size() - padding;
            const std::size_t digit = pad ? 0 : alphabet.find(text[i + j]);
            if (digit == std::string_view::npos) {
                return std::nullopt;
            }
            group = group << 6 | static_cast<std::uint32_t>(digit);
        }
        for (int shift = 16; shift >= 0; shift -= 8) {
            bytes += static_cast<char>(group >> shift & 0xff);
        }
    }
    bytes.resize(bytes.size() - padding);
    return bytes;
}

void write_bytes(json::Writer& writer, std::string_view bytes) {
    if (json::is_utf8(bytes)) {
        writer.member("data", bytes);
    } else {
        writer.member("data_b64", base64_encode(bytes));
    }
}

std::optional<std::string> read_bytes(const json::Value& object) {
    if (const json::Value* data = object.find("data"); data != nullptr && data->is(json::Type::string)) {
        return data->text;
    }
    if (const json::Value* data = object.find("data_b64"); data != nullptr && data->is(json::Type::string)) {
        return base64_decode(data->text);
    }
    return std::nullopt;
}

}  // namespace chaos::rpc
