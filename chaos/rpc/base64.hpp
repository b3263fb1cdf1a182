// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chaos/json/value.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::rpc {

/// RFC 4648, section 4, with padding.
std::string base64_encode(std::string_view bytes);
/// Empty: it is no base64.
std::optional<std::string> base64_decode(std::string_view text);

/// Bytes as members of an object: "data" where they are UTF-8, else "data_b64". Nothing is lost either way.
void write_bytes(json::Writer& writer, std::string_view bytes);
/// The bytes of an object that write_bytes made; empty: it has neither member.
std::optional<std::string> read_bytes(const json::Value& object);

}  // namespace chaos::rpc
