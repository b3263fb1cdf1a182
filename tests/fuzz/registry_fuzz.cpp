// SPDX-License-Identifier: Apache-2.0
// Any bytes as a registry record: rejected, or read so that writing it again gives a record that reads the same.
#include <cstdlib>
#include <string>

#include "split-toolstack/record.hpp"

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

std::string rendered(const split::Record& record) {
    std::string out;
    split::render_record(record, out);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto record = split::parse_record({reinterpret_cast<const char*>(data), size});
    if (!record) {
        require(!record.error().message.empty());
        return 0;
    }
    const std::string text = rendered(*record);
    const auto again = split::parse_record(text);
    require(again.has_value() && rendered(*again) == text);
    return 0;
}
